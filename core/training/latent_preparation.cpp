// SPDX-License-Identifier: Apache-2.0
#include "core/training/latent_preparation.h"

#include "core/base/text.h"
#include "core/generation/latent_builder.h"
#include "core/machine/disk.h"
#include "core/runs/run_folder.h"
#include "core/training/waiting.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace espalier::training {
namespace {

generation::LatentRanks ranksOf(const std::shared_ptr<parallel::ProcessGroup>& group)
{
    generation::LatentRanks ranks{group->rank(), group->world(), {}};
    if (group->world() > 1)
        ranks.maximum = [group](std::vector<std::int64_t>& values) { makeMaximum(*group, values); };
    return ranks;
}

} // namespace

Result<std::shared_ptr<const data::LatentSet>> readyLatents(const LatentPreparation& p)
{
    auto description = generation::describeLatents(p.config, *p.images, *p.codec);
    const auto folder = data::latentFolder(generation::latentCaches(p.config, runs::dataFolder()), description);
    Waiting progress(p.link, p.step, p.writer);
    const auto tell = [&](const char* what, std::int64_t done, std::int64_t of) { progress((p.which + what).c_str(), done, of); };
    const generation::LatentWork work{.dataset = p.images,
                                      .codec = p.codec,
                                      .folder = folder,
                                      .description = description,
                                      .ranks = ranksOf(p.group),
                                      .workers = static_cast<int>(p.config.data.workers),
                                      .progress = tell,
                                      .log = p.log};
    if (auto ready = generation::prepareLatents(work, p.link.stopToken()); !ready)
        return ready.error();
    return data::openLatentCache(folder, description);
}

Result<Done> checkLatents(const std::vector<SearchData>& sides, const generation::LatentCodec& codec)
{
    constexpr std::int64_t kTries = 8; // some images of a set may be broken
    std::uint64_t needed = 0;
    std::filesystem::path caches;
    for (const auto& side : sides) {
        std::vector<std::uint8_t> pixels(side.images->imageBytes());
        std::int32_t label = 0;
        Result<Done> read = Done{};
        for (std::int64_t i = 0; i < std::min(kTries, side.images->size()); ++i)
            if (read = side.images->read(i, pixels, label); read)
                break;
        if (!read)
            return Error{read.error().code,
                         fmt::format("The images that latents of {} pixels are made of cannot be read. {}", side.config.data.side,
                                     read.error().message),
                         read.error().detail};
        auto description = generation::describeLatents(side.config, *side.images, codec);
        caches = generation::latentCaches(side.config, runs::dataFolder());
        needed += generation::missingBytes(data::latentFolder(caches, description), description);
    }
    const auto space = machine::diskSpace(caches);
    if (needed > 0 && space && space->freeBytes < needed)
        return Error{
            ErrorCode::Io,
            fmt::format("The latents of all {} sides of this schedule need {} more in {}, and {} are free there. Free some, or set "
                        "latents.cache to a folder on another disk.",
                        sides.size(), bytesText(needed), caches.string(), bytesText(space->freeBytes)),
            "latents.cache"};
    return Done{};
}

std::shared_ptr<const data::LatentSet> rehearsedLatents(const config::RunConfig& config, const generation::LatentCodec& codec)
{
    codec.encode(at::zeros({1, config.data.side, config.data.side, 3}, at::kByte));
    return data::blankLatents({config::LatentsConfig::kChannels, config.data.side / config::LatentsConfig::kFactor, true});
}

} // namespace espalier::training
