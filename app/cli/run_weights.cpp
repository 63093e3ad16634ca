// SPDX-License-Identifier: Apache-2.0
#include "app/cli/run_weights.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/config/config.h"
#include "core/runs/follower.h"
#include "core/runs/retention.h"

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

Result<NewestCheckpoint> newestCheckpoint(const runs::RunFolder& run)
{
    const auto stored = runs::storedCheckpoints(run);
    if (stored.empty())
        return Error{ErrorCode::Usage,
                     fmt::format("{} has no checkpoint yet. Train it on: espalier-cli train --resume {}", run.name(), run.root().string()),
                     {}};
    NewestCheckpoint newest{run.checkpointFolder(stored.back().step), stored.back().step, 0};
    runs::RunFollower follower(run.root());
    follower.poll();
    for (const auto& each : follower.checkpoints())
        if (each.step == newest.step)
            newest.stage = each.stage;
    return newest;
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
    auto whole = config::write(*config);
    whole[group] = config::merge(whole[group], overlay);
    return config::read(whole);
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
