// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/runs/events.h"
#include "core/runs/lease.h"
#include "core/runs/metrics.h"
#include "core/runs/progress.h"
#include "core/runs/pyramid.h"
#include "core/runs/run_folder.h"
#include "core/runs/run_state.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::runs {

struct StageEntry {
    int index = 0; // a supernet has that of the stage whose size it finds
    std::string id;
    std::int64_t fromStep = 0;
    double time = 0.0;
};
struct SampleEntry {
    SamplesDrawn drawn;
    double time = 0.0;
};
struct CheckpointEntry {
    std::int64_t step = 0;
    int stage = 0;
    std::string folder; // relative to the run folder
    std::uint64_t bytes = 0;
    std::string because;
    bool keptByHand = false;
    std::optional<MeasuredValue> metric; // the newest of this step's averaged weights
    double time = 0.0;
};
struct EvaluationEntry {
    Evaluated evaluated;
    double time = 0.0;
};

/// A stage that stands beside others (docs/run-folder.md, branches/), as a person sees it.
struct BranchStatus {
    std::string name;               // of its folder: "module-2"
    std::int64_t module = -1;       // 2: the option of wishes; -1: not a module
    RunState state = RunState::New; // New: not begun; Queued: waits for a device; Training …; Paused, Stopped, Failed, Finished, Lost
    std::string why;                // the cause of a failure, what it waits for …
    bool held = false;              // nobody trains it before that is taken back, not even who resumes the run
    std::string device;             // of its newest attempt: "cpu", "0"; "" before the first
    int attempt = 0;
    double fraction = 0.0;            // 0 … 1, of its own length
    std::optional<double> etaSeconds; // while it trains
    bool operator==(const BranchStatus&) const = default;
};

/// What one poll() found new.
struct RunChanges {
    std::vector<Event> events;          // in order
    std::vector<std::string> grownTags; // curves with new or hidden points
    bool state = false, progress = false, stages = false, samples = false, checkpoints = false, evaluations = false, config = false;
    bool branches = false;   // what stages side by side tell
    bool superseded = false; // a resume hid points, samples or checkpoints
    bool any() const
    {
        return !events.empty() || !grownTags.empty() || state || progress || stages || samples || checkpoints || evaluations || config ||
               branches || superseded;
    }
};

/// Follows one run folder. Reads only; costs a few stat calls when nothing changed. One thread.
class RunFollower {
public:
    explicit RunFollower(std::filesystem::path folder);
    /// Of a branch: whether somebody trains it is told by the lock of its run.
    RunFollower(std::filesystem::path folder, const RunFolder& run);
    ~RunFollower();
    RunFollower(RunFollower&&) noexcept;
    RunFollower& operator=(RunFollower&&) noexcept;

    RunChanges poll();

    const RunFolder& folder() const;
    RunState state() const;
    /// Why it is in that state: the cause of a failure, what was saved …
    const std::string& why() const;
    const std::optional<Failed>& failure() const;
    const Progress& progress() const;
    int attempt() const;
    /// What the newest attempt runs on: "cpu", "0,1"; "" before the first.
    std::string devices() const;
    /// The "config" of config.json; null while it cannot be read, then problem() says why.
    const Json& config() const;
    /// What is damaged, in one sentence; empty when all is well.
    std::string problem() const;

    const std::vector<StageEntry>& stages() const;
    const std::vector<SampleEntry>& samples() const;
    const std::vector<CheckpointEntry>& checkpoints() const;
    const std::vector<EvaluationEntry>& evaluations() const;
    /// All events but superseded samples, checkpoints and evaluations are in here too: the whole history.
    const std::vector<Event>& events() const;

    /// What stages that stand side by side tell, each in a folder of its own, by the names of the folders: progress, curves, evaluations.
    /// While they train, the run's progress is theirs together: steps are the mean of what each did, images and time their sum.
    const std::map<std::string, RunFollower, std::less<>>& branches() const;
    /// All that the plan has, in its order, those that have not begun included.
    const std::vector<BranchStatus>& branchStatus() const;

    std::vector<std::string> tags() const;
    /// Nothing for an unknown tag. Valid until the next poll().
    const Pyramid* curve(std::string_view tag) const;
    std::string unit(std::string_view tag) const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

} // namespace espalier::runs
