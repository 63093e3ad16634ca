// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/runs/follower.h"
#include "core/runs/run_state.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace espalier::runs {

/// One line of the library.
struct RunSummary {
    std::filesystem::path folder;
    std::string name, runId;
    RunState state = RunState::New;
    std::string why;
    Progress progress;
    std::string model, dataset, schedule, title; // kinds as in config.json: "unet", "garden", "plain"
    std::optional<double> bestMetric;
    std::string bestMetricName;          // "fd", "fid" or "top1"
    std::optional<double> loss;          // the newest point
    std::vector<float> sparkline;        // loss, at most 48 values
    double created = 0.0, changed = 0.0; // seconds since 1970
    std::vector<BranchStatus> branches;  // what stands side by side
    bool damaged = false;
    std::string problem; // what is damaged, and what could be read
};

/// All runs directly below a library folder. scan() looks anew; runs that did not change cost a few stat calls. One thread.
class Library {
public:
    explicit Library(std::filesystem::path folder);
    ~Library();
    Library(Library&&) noexcept;
    Library& operator=(Library&&) noexcept;

    const std::filesystem::path& folder() const;
    /// True when any summary changed, came or went.
    bool scan();
    /// The same for these runs alone, and only those that a scan has found: for run folders in which something is known to have changed.
    bool look(const std::set<std::filesystem::path>& folders);
    /// By name.
    const std::vector<RunSummary>& runs() const;
    /// Runs that changed in the last scan or look, by folder.
    const std::vector<std::filesystem::path>& changed() const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

/// Keeps the summary of one run folder up to date. One thread.
class SummaryReader {
public:
    explicit SummaryReader(std::filesystem::path runFolder);
    ~SummaryReader();
    SummaryReader(SummaryReader&&) noexcept;
    SummaryReader& operator=(SummaryReader&&) noexcept;
    /// True when it changed.
    bool update();
    const RunSummary& summary() const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

/// The summary of one folder, read alone.
RunSummary summarize(const std::filesystem::path& runFolder);

} // namespace espalier::runs
