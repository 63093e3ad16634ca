// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace espalier::runs {

/// What run.json says: which run this folder belongs to, for ever.
struct RunIdentity {
    std::string runId;    // 32 hexadecimal digits
    double created = 0.0; // seconds since 1970
    std::string program;  // version that made the folder
};

/// Names of everything in a run folder (docs/run-folder.md). A value: makes nothing, checks nothing.
class RunFolder {
public:
    RunFolder() = default;
    explicit RunFolder(std::filesystem::path root) : m_root(std::move(root)) {}

    const std::filesystem::path& root() const { return m_root; }
    /// Name shown to people: that of the folder.
    std::string name() const;

    std::filesystem::path identityFile() const { return m_root / "run.json"; }
    std::filesystem::path configFile() const { return m_root / "config.json"; }
    std::filesystem::path planFile() const { return m_root / "plan.json"; }
    std::filesystem::path eventsFile() const { return m_root / "events.jsonl"; }
    std::filesystem::path scalarsFolder() const { return m_root / "scalars"; }
    std::filesystem::path scalarsFolder(int attempt) const { return scalarsFolder() / std::to_string(attempt); }
    std::filesystem::path scalarsFile(int attempt, std::string_view tag) const;
    std::filesystem::path tensorboardFolder() const { return m_root / "tensorboard"; }
    std::filesystem::path samplesFolder() const { return m_root / "samples"; }
    std::filesystem::path samplesFolder(int stage, std::int64_t step) const;
    std::filesystem::path checkpointsFolder() const { return m_root / "checkpoints"; }
    std::filesystem::path checkpointFolder(std::int64_t step) const;
    std::filesystem::path branchesFolder() const { return m_root / "branches"; }
    /// Where stages of a branch lie, in a folder of the same layout; the run itself for "".
    RunFolder branch(std::string_view name) const { return name.empty() ? *this : RunFolder(branchesFolder() / name); }
    /// In the folder of a branch: as long as it is there, nobody trains the branch.
    std::filesystem::path heldFile() const { return m_root / "held"; }
    std::filesystem::path evaluationsFolder() const { return m_root / "evaluations"; }
    std::filesystem::path confusionFile(std::int64_t step) const;
    std::filesystem::path lockFile() const { return m_root / "lock"; }
    std::filesystem::path leaseFile() const { return m_root / "lease.json"; }
    std::filesystem::path controlFolder() const { return m_root / "control"; }
    std::filesystem::path logFile() const { return m_root / "log.txt"; }
    std::filesystem::path launchLogFile() const { return m_root / "launch.log"; }

    /// A path as events name it: relative to the run folder, with "/".
    std::string relative(const std::filesystem::path& file) const;

private:
    std::filesystem::path m_root;
};

/// "step-0000100": names sort like steps.
std::string stepName(std::int64_t step);
/// The step of such a name, or -1.
std::int64_t stepOfName(std::string_view name);
/// A tag as a file name: '/' becomes '.', everything else unusual "%2E".
std::string tagFileName(std::string_view tag);

/// Whether the folder holds a run: run.json or config.json is there.
bool isRunFolder(const std::filesystem::path& folder);
/// Makes the folder with run.json and config.json (a document of config::document) and writes the `created` event.
/// Refuses a folder that already holds a run or anything else.
Result<RunFolder> createRunFolder(const std::filesystem::path& folder, const Json& configDocument);
Result<RunIdentity> readIdentity(const RunFolder& folder);

/// $ESPALIER_LIBRARY, else $XDG_DATA_HOME/espalier/runs, else ~/.local/share/espalier/runs.
std::filesystem::path libraryFolder();
/// Where data sets lie that are not told otherwise, and what is made of them: beside the library.
std::filesystem::path dataFolder();
/// A free folder in `library` named after `stem` and today: "demo-2026-11-23", "demo-2026-11-23-2". Made safe first.
std::filesystem::path newRunPath(const std::filesystem::path& library, std::string_view stem);
/// Letters, digits, '.', '_' and '-' only, not hidden, at most 80 bytes; "run" when nothing is left.
std::string safeName(std::string_view text);
/// A run as typed: a folder, or the name of a run in the library. Fails with a sentence when there is none.
Result<RunFolder> findRun(std::string_view typed);

/// 32 random hexadecimal digits (from the system, not from a seed).
std::string newRunId();
/// Seconds since 1970.
double wallTime();

} // namespace espalier::runs
