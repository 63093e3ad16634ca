// SPDX-License-Identifier: Apache-2.0
#include "core/training/checkpoint_keeper.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::training {
namespace fs = std::filesystem;

CheckpointKeeper::CheckpointKeeper(runs::RunWriter& writer, config::CheckpointConfig config, Json about)
    : m_writer(writer), m_config(config), m_about(std::move(about)), m_stage(m_about.value("stage", 0))
{
    (void)m_writer.flush();
    // The best checkpoint may be one of an earlier stage or attempt.
    for (const auto& event : runs::EventReader(m_writer.folder().eventsFile()).poll()) {
        if (const auto resumed = runs::eventAs<runs::Resumed>(event))
            m_metrics.erase(m_metrics.upper_bound(resumed->fromStep), m_metrics.end());
        else if (const auto evaluated = runs::eventAs<runs::Evaluated>(event))
            m_metrics[evaluated->step] = {evaluated->metric, evaluated->value};
    }
}

CheckpointKeeper::~CheckpointKeeper()
{
    if (m_thread.joinable())
        m_thread.join();
}

Result<Done> CheckpointKeeper::save(const tensors::TrainState& state, const Json& clock, std::string because)
{
    if (auto earlier = finish(); !earlier)
        return earlier;
    try {
        auto about = m_about;
        if (because == kStageEnd)
            about["ends_stage"] = m_about.value("stage_id", "");
        auto copy = tensors::snapshot(state, about, clock);
        m_thread = std::thread([this, copy = std::move(copy), step = state.counters.step, because = std::move(because)]() mutable {
            write(std::move(copy), step, std::move(because));
        });
    } catch (const std::exception& problem) {
        return Error{ErrorCode::Memory,
                     "There was no memory left to copy the state for a checkpoint. Lower the batch size or free some memory.",
                     problem.what()};
    }
    return Done{};
}

void CheckpointKeeper::write(tensors::Snapshot snapshot, std::int64_t step, std::string because)
{
    try {
        // The points up to here first: an attempt that goes on from this checkpoint does not make them again. A full disk is told by the
        // writer itself.
        (void)m_writer.flush();
        const auto folder = m_writer.folder().checkpointFolder(step);
        const auto written = tensors::writeCheckpoint(snapshot, folder);
        if (!written) {
            const std::lock_guard lock(m_mutex);
            m_error = written.error();
            return;
        }
        std::uint64_t bytes = 0;
        for (const auto& file : fs::directory_iterator(folder))
            bytes += file.file_size();
        m_writer.write(runs::CheckpointWritten{
            .step = step, .stage = m_stage, .folder = m_writer.folder().relative(folder), .bytes = bytes, .because = std::move(because)});
        removeOld();
    } catch (const std::exception& problem) {
        const std::lock_guard lock(m_mutex);
        m_error = Error{ErrorCode::Io, fmt::format("The checkpoint of step {} could not be written.", step), problem.what()};
    }
}

void CheckpointKeeper::removeOld()
{
    auto stored = runs::storedCheckpoints(m_writer.folder());
    {
        const std::lock_guard lock(m_mutex);
        for (auto& checkpoint : stored)
            if (const auto metric = m_metrics.find(checkpoint.step); metric != m_metrics.end())
                checkpoint.metric = metric->second;
    }
    for (const auto step : runs::checkpointsToRemove(m_config, stored)) {
        const auto folder = m_writer.folder().checkpointFolder(step);
        // Renamed first: a kill in the middle must not leave half a checkpoint under a checkpoint's name.
        const auto doomed = folder.parent_path() / ("." + folder.filename().string() + ".gone");
        std::error_code problem;
        fs::rename(folder, doomed, problem);
        if (!problem)
            fs::remove_all(doomed, problem);
        m_writer.write(runs::CheckpointRemoved{.step = step, .folder = m_writer.folder().relative(folder), .because = "retention"});
    }
}

Result<Done> CheckpointKeeper::finish()
{
    if (m_thread.joinable())
        m_thread.join();
    const std::lock_guard lock(m_mutex);
    if (m_error)
        return *std::exchange(m_error, std::nullopt);
    return Done{};
}

void CheckpointKeeper::measured(std::int64_t step, const std::string& metric, double value)
{
    const std::lock_guard lock(m_mutex);
    m_metrics[step] = {metric, value};
}

std::string CheckpointKeeper::newest() const
{
    const auto stored = runs::storedCheckpoints(m_writer.folder());
    return stored.empty() ? "" : m_writer.folder().relative(m_writer.folder().checkpointFolder(stored.back().step));
}

Result<std::optional<fs::path>> newestValidCheckpoint(const runs::RunFolder& folder, const Log& log)
{
    // By their names: a folder without a manifest is no checkpoint, but somebody should hear of it.
    std::vector<std::int64_t> steps;
    std::error_code ignored;
    for (fs::directory_iterator at(folder.checkpointsFolder(), ignored), end; !ignored && at != end; at.increment(ignored))
        if (const auto step = runs::stepOfName(at->path().filename().string()); step >= 0)
            steps.push_back(step);
    std::sort(steps.rbegin(), steps.rend());
    std::string why;
    for (const auto step : steps) {
        const auto path = folder.checkpointFolder(step);
        const auto valid = tensors::verifyCheckpoint(path);
        if (valid)
            return std::optional(path);
        log(LogLevel::Warning, fmt::format("Passed over the checkpoint of step {}: {}", step, valid.error().message));
        if (why.empty())
            why = valid.error().message;
    }
    if (steps.empty())
        return std::optional<fs::path>();
    return Error{ErrorCode::Format,
                 fmt::format("{} {}: restore one from a copy, or remove {} to begin again at step 0.", why,
                             steps.size() == 1 ? "It is the only one of this run" : "Nor can any other of this run be read",
                             folder.checkpointsFolder().string()),
                 {}};
}

} // namespace espalier::training
