// SPDX-License-Identifier: Apache-2.0
#include "app/cli/run_weights.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/config/config.h"
#include "core/plan/fork.h"
#include "core/runs/follower.h"
#include "core/runs/retention.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace espalier::cli {
using namespace std::chrono_literals;

namespace {

/// Says every second that we live, for readers on other machines.
class Heartbeat {
public:
    Heartbeat(runs::RunFolder folder, runs::Lease lease)
        : m_thread([folder = std::move(folder), lease = std::move(lease)](std::stop_token stop) mutable {
              std::mutex mutex;
              std::condition_variable_any ending;
              for (std::unique_lock lock(mutex); !stop.stop_requested(); ending.wait_for(lock, stop, 1s, [] { return false; })) {
                  ++lease.counter;
                  (void)runs::writeLease(folder, lease); // a beat that is lost is made up for by the next
              }
          })
    {
    }

private:
    std::jthread m_thread;
};

} // namespace

namespace {

Result<ChosenCheckpoint> newestOf(const runs::RunFolder& run)
{
    const auto stored = runs::storedCheckpoints(run);
    if (stored.empty())
        return Error{ErrorCode::Usage,
                     fmt::format("{} has no checkpoint yet. Train it on: espalier-cli train --resume {}", run.name(), run.root().string()),
                     {}};
    ChosenCheckpoint newest{run.checkpointFolder(stored.back().step), stored.back().step, 0};
    runs::RunFollower follower(run.root());
    follower.poll();
    for (const auto& each : follower.checkpoints())
        if (each.step == newest.step)
            newest.stage = each.stage;
    return newest;
}

} // namespace

Result<plan::Plan> planOf(const runs::RunFolder& run)
{
    std::error_code error;
    if (!std::filesystem::exists(run.planFile(), error))
        return Error{ErrorCode::Usage,
                     fmt::format("{} has no plan yet. Train it first: espalier-cli train --resume {}", run.name(), run.root().string()),
                     {}};
    const auto text = readFile(run.planFile(), 16u << 20);
    if (!text)
        return text.error();
    auto plan = plan::planFromText(*text);
    if (!plan)
        return Error{plan.error().code, fmt::format("{}: {}", run.planFile().string(), plan.error().message), plan.error().detail};
    return plan;
}

Result<ChosenCheckpoint> checkpointOf(const runs::RunFolder& run, std::optional<int> atStage)
{
    if (!atStage)
        return newestOf(run);
    const auto plan = planOf(run);
    if (!plan)
        return plan.error();
    const auto stage = plan::stageNumbered(*plan, *atStage);
    if (!stage)
        return Error{stage.error().code, fmt::format("--at-stage: {}", stage.error().message), {}};
    const auto end = plan::endOf(*plan, (*stage)->id);
    if (!end)
        return Error{ErrorCode::Usage, fmt::format("--at-stage: stage {} of {} has not ended yet.", *atStage, run.name()), {}};
    const auto folder = run.branch((*stage)->branch).checkpointFolder(end->steps);
    std::error_code error;
    if (!std::filesystem::exists(folder / "manifest.json", error))
        return Error{
            ErrorCode::Usage,
            fmt::format("--at-stage: the checkpoint at the end of stage {} of {} (step {}) is gone.", *atStage, run.name(), end->steps),
            folder.string()};
    return ChosenCheckpoint{folder, end->steps, *atStage};
}

void addAtStage(CLI::App& command, std::optional<int>& atStage)
{
    command.add_option("--at-stage", atStage, "Of a run: the checkpoint at the end of this stage, counted from 0, in place of the newest")
        ->check(CLI::Range(0, 1'000'000));
}

Result<Weights> atStage(Weights weights, std::optional<int> stage)
{
    if (!stage)
        return weights;
    if (!weights.run)
        return Error{ErrorCode::Usage, fmt::format("--at-stage needs a run; {} is none.", weights.typed), {}};
    const auto chosen = checkpointOf(*weights.run, stage);
    if (!chosen)
        return chosen.error();
    return Weights{{}, chosen->folder, weights.typed};
}

Result<config::RunConfig> configOf(const runs::RunFolder& run)
{
    const auto text = readFile(run.configFile(), 16u << 20);
    if (!text)
        return text.error();
    auto config = config::readDocument(parseJson(*text));
    if (!config)
        return Error{ErrorCode::Format, fmt::format("{}: {}", run.configFile().string(), config.error().message), config.error().detail};
    return config;
}

Result<config::RunConfig> configOf(const runs::RunFolder& run, const char* group, const Json& overlay)
{
    const auto config = configOf(run);
    if (!config)
        return config.error();
    return config::read(config::merge(config::write(*config), {{group, overlay}}));
}

Result<Json> jobOnRun(const runs::RunFolder& run, Job job, const std::function<Result<Done>(OwnedRun&, Json& result)>& write,
                      Signals& signals, Console& console)
{
    auto owned = OwnedRun::take(run, signals);
    if (!owned)
        return owned.error();
    const Heartbeat heartbeat(run, owned->lease);
    std::optional<Error> lost;
    job.inherit = {owned->lock.fd()};
    job.onEvent = [&](const runs::Event& event) {
        if (auto done = owned->events.append(event); !done && !lost)
            lost = done.error();
    };
    auto result = runJob(job, signals, console);
    if (!result)
        return result.error();
    if (lost)
        return *lost;
    if (auto done = write(*owned, *result); !done)
        return done.error();
    (*result)["run"] = run.root().string();
    return result;
}

} // namespace espalier::cli
