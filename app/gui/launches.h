// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/engine_events.h"
#include "app/gui/launcher.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace espalier::gui {

/// How a run is to be started.
struct StartHow {
    bool queued = false;      // when its devices are free
    std::string devices = {}; // other ones than it was made with; "" leaves them
};

/// Everything that was started beside the window and has not been seen to begin or to end yet. One thread.
class Launches {
public:
    using Sink = std::function<void(EngineEvent)>;
    Launches(std::filesystem::path cli, Sink sink) : m_cli(std::move(cli)), m_sink(std::move(sink)) {}

    /// Trains a run, which outlives us.
    Result<Done> train(const std::filesystem::path& folder, const StartHow& how);
    /// Runs `espalier-cli <arguments>` beside us: says `done` when it has ended well, else `failed` and why.
    Result<Done> job(const std::filesystem::path& folder, std::vector<std::string> arguments, const QString& done, const QString& failed);
    /// Tells what has begun, ended or come to nothing since the last look.
    void look();
    bool any() const { return !m_runs.empty() || !m_jobs.empty(); }

private:
    using Clock = std::chrono::steady_clock;
    struct Run {
        std::filesystem::path folder;
        Clock::time_point at;
        double wall;
    };
    struct Job {
        std::filesystem::path log;
        std::uintmax_t logFrom; // where its own words begin
        QString done, failed;
        JobEnd end;
    };
    bool isSettled(const Run& run);
    bool hasEnded(Job& job);

    const std::filesystem::path m_cli;
    const Sink m_sink;
    std::vector<Run> m_runs;
    std::vector<Job> m_jobs;
};

} // namespace espalier::gui
