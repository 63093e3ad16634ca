// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job.h"

#include "core/config/config.h"
#include "core/config/data_side.h"
#include "core/config/devices.h"
#include "core/generation/latent_builder.h"
#include "core/plan/stage_config.h"
#include "core/plan/strategy.h"
#include "core/runs/run_folder.h"

#include <fmt/format.h>
#include <torch/cuda.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace espalier::worker {
namespace {

/// What "auto", "cpu" or "0,1" come to. One process has one CPU, whatever number of workers a training would have there.
Result<std::vector<at::Device>> devicesOf(const std::string& asked)
{
    const auto ask = config::parseDevices(asked);
    if (!ask)
        return ask.error();
    int count = 1;
    if (ask->kind == config::DeviceKind::Gpu)
        count = static_cast<int>(ask->indices.size());
    else if (ask->kind == config::DeviceKind::Auto && torch::cuda::is_available())
        count = static_cast<int>(torch::cuda::device_count());
    std::vector<at::Device> devices;
    for (int i = 0; i < count; ++i) {
        auto device = deviceFor(asked, i);
        if (!device)
            return device.error();
        devices.push_back(*device);
    }
    return devices;
}

/// Threads of this process, one a device, as the ranks that share the work. One that fails stops all.
class DeviceThreads {
public:
    explicit DeviceThreads(int count) : m_count(count), m_meet(count) {}

    generation::LatentRanks ranksOf(int rank)
    {
        generation::LatentRanks ranks{rank, m_count, {}};
        if (m_count > 1)
            ranks.maximum = [this](std::vector<std::int64_t>& values) {
                {
                    const std::lock_guard lock(m_mutex);
                    m_largest.resize(std::max(m_largest.size(), values.size()), 0);
                    for (std::size_t i = 0; i < values.size(); ++i)
                        m_largest[i] = std::max(m_largest[i], values[i]);
                }
                m_meet.arrive_and_wait();
                std::copy_n(m_largest.begin(), values.size(), values.begin());
                m_meet.arrive_and_wait();
                {
                    const std::lock_guard lock(m_mutex);
                    m_largest.clear();
                }
                m_meet.arrive_and_wait();
            };
        return ranks;
    }
    /// A thread that leaves is not waited for.
    void leave() { m_meet.arrive_and_drop(); }

private:
    const int m_count;
    std::barrier<> m_meet;
    std::mutex m_mutex;
    std::vector<std::int64_t> m_largest;
};

Result<Done> workOn(const generation::LatentWork& work, std::stop_source& stop)
{
    Result<Done> done = Done{};
    try {
        done = generation::prepareLatents(work, stop.get_token());
    } catch (const std::exception& problem) {
        done = Error{ErrorCode::Internal, "Encoding latents failed; the log holds why.", problem.what()};
    }
    if (!done)
        stop.request_stop(); // the others see it at their next meeting
    return done;
}

/// The cache of one configuration; the devices share the work.
Result<Json> cacheOne(const config::RunConfig& config, const std::vector<std::shared_ptr<const generation::LatentCodec>>& codecs,
                      const std::string& which, JobContext& context)
{
    auto dataset = data::open(config.data, data::Split::Train, runs::dataFolder(), context.log);
    if (!dataset)
        return dataset.error();
    auto description = generation::describeLatents(config, **dataset, *codecs.front());
    const auto folder = data::latentFolder(generation::latentCaches(config, runs::dataFolder()), description);
    const auto began = std::chrono::steady_clock::now();
    std::stop_source stop;
    const std::stop_callback cancel(context.link.stopToken(), [&] { stop.request_stop(); });
    const auto count = static_cast<int>(codecs.size());
    DeviceThreads meeting(count);
    std::vector<Result<Done>> results(codecs.size(), Done{});
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < count; ++i)
            threads.emplace_back([&, i] {
                const auto at = static_cast<std::size_t>(i);
                results[at] = workOn({.dataset = *dataset,
                                      .codec = codecs[at],
                                      .folder = folder,
                                      .description = description,
                                      .ranks = meeting.ranksOf(i),
                                      .workers = static_cast<int>(config.data.workers),
                                      .progress =
                                          [&, i](const char* what, std::int64_t done, std::int64_t of) {
                                              if (i == 0)
                                                  context.link.progress(static_cast<double>(done), static_cast<double>(of), which + what);
                                          },
                                      .log = context.log},
                                     stop);
                meeting.leave();
            });
    }
    // What failed first tells more than that the others were stopped for it.
    for (const bool other : {true, false})
        for (const auto& result : results)
            if (!result && (result.error().code != ErrorCode::Cancelled) == other)
                return result.error();
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return Json{{"folder", folder.string()},
                {"images", description.images},
                {"side", description.side},
                {"mirrored", description.mirrored},
                {"shards", description.shards()},
                {"bytes", description.bytes()},
                {"encoder_sha256", description.encoder},
                {"devices", count},
                {"seconds", seconds}};
}

/// Pixels of all sides that the schedule can come to, the least first: one without stages.
Result<std::vector<std::int64_t>> sidesOf(const config::RunConfig& config, const Log& log)
{
    if (std::holds_alternative<config::PlainSchedule>(config.schedule))
        return std::vector{config.data.side};
    const auto dataset = data::open(config.data, data::Split::Train, runs::dataFolder(), log);
    if (!dataset)
        return dataset.error();
    const auto strategy = plan::makeStrategy(config, {(*dataset)->size()});
    const auto plan = strategy->begin();
    if (!plan)
        return plan.error();
    auto sides = strategy->sides(*plan);
    for (auto& side : sides)
        side *= plan::pixelsPerPosition(config);
    return sides;
}

} // namespace

Result<Json> cacheLatentsJob(const Json& request, JobContext& context)
{
    const auto config = config::read(request.value("config", Json::object()));
    if (!config)
        return config.error();
    if (!config->latents.enabled || config->data.source == config::DataSource::Features)
        return Error{ErrorCode::Usage, "These settings train on no latents that could be made: set latents.enabled and name images.", {}};
    const auto asked = textOf(request, "devices", config->devices);
    if (!asked)
        return asked.error();
    const auto devices = devicesOf(*asked);
    if (!devices)
        return devices.error();
    setThreads(config->training.threads, 1);
    std::vector<std::shared_ptr<const generation::LatentCodec>> codecs;
    for (const auto& device : *devices) {
        auto codec = generation::LatentCodec::open(*config, device, codecs.empty() ? context.log : Log());
        if (!codec)
            return codec.error();
        codecs.push_back(*std::move(codec));
    }
    const auto sides = sidesOf(*config, context.log);
    if (!sides)
        return sides.error();
    Json all = Json::array();
    for (std::size_t i = 0; i < sides->size(); ++i) {
        auto ofSide = *config;
        ofSide.data = config::atSide(config->data, (*sides)[i]);
        const auto which = sides->size() > 1 ? fmt::format("side {} of {}, {} pixels: ", i + 1, sides->size(), (*sides)[i]) : "";
        auto made = cacheOne(ofSide, codecs, which, context);
        if (!made)
            return made.error();
        all.push_back(*std::move(made));
    }
    Json result = all.back(); // of data.side
    if (all.size() > 1)
        result["sides"] = std::move(all);
    return result;
}

} // namespace espalier::worker
