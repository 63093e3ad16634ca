// SPDX-License-Identifier: Apache-2.0
#include "core/training/latent_preparation.h"

#include "core/base/text.h"
#include "core/generation/latent_builder.h"
#include "core/runs/run_folder.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace espalier::training {
namespace {

generation::LatentRanks ranksOf(const std::shared_ptr<parallel::ProcessGroup>& group)
{
    generation::LatentRanks ranks{group->rank(), group->world(), {}};
    if (group->world() > 1)
        ranks.maximum = [group](std::vector<std::int64_t>& values) {
            const auto tensor = at::tensor(values, at::kLong);
            group->startMaximum(tensor)();
            std::copy_n(tensor.const_data_ptr<std::int64_t>(), values.size(), values.begin());
        };
    return ranks;
}

/// A sign of life that says how far it is, once a second; every ten seconds it is a reason of the run's state, which others can see.
class Progress {
public:
    Progress(runs::WorkerLink& link, std::int64_t step, runs::RunWriter* writer) : m_link(link), m_step(step), m_writer(writer) {}
    void operator()(const char* what, std::int64_t done, std::int64_t of)
    {
        const auto now = std::chrono::steady_clock::now();
        if (now - m_last < std::chrono::seconds(1))
            return;
        m_last = now;
        const auto text = of > 0 ? fmt::format("{}: {} of {}", what, groupedNumber(done), groupedNumber(of)) : std::string(what);
        m_link.heartbeat(m_step, text);
        if (!m_writer || now - m_lastState < std::chrono::seconds(10))
            return;
        m_lastState = now;
        m_writer->state(runs::RunState::Starting, text);
    }

private:
    runs::WorkerLink& m_link;
    std::int64_t m_step;
    runs::RunWriter* m_writer;
    std::chrono::steady_clock::time_point m_last{}, m_lastState = std::chrono::steady_clock::now();
};

} // namespace

Result<std::shared_ptr<const data::LatentSet>> readyLatents(const LatentPreparation& p)
{
    auto description = generation::describeLatents(p.config, *p.images, *p.codec);
    const auto folder = data::latentFolder(generation::latentCaches(p.config, runs::dataFolder()), description);
    Progress progress(p.link, p.step, p.writer);
    const generation::LatentWork work{.dataset = p.images,
                                      .codec = p.codec,
                                      .folder = folder,
                                      .description = description,
                                      .ranks = ranksOf(p.group),
                                      .workers = static_cast<int>(p.config.data.workers),
                                      .progress = std::ref(progress),
                                      .log = p.log};
    if (auto ready = generation::prepareLatents(work, p.link.stopToken()); !ready)
        return ready.error();
    return data::openLatentCache(folder, description);
}

std::shared_ptr<const data::LatentSet> rehearsedLatents(const config::RunConfig& config, const generation::LatentCodec& codec)
{
    codec.encode(at::zeros({1, config.data.side, config.data.side, 3}, at::kByte));
    return data::blankLatents({config::LatentsConfig::kChannels, config.data.side / config::LatentsConfig::kFactor, true});
}

} // namespace espalier::training
