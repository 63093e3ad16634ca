// SPDX-License-Identifier: Apache-2.0
#include "core/plan/prefix.h"

#include "core/base/text.h"
#include "core/plan/stage_config.h"
#include "core/shapes/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>

namespace espalier::plan {
namespace {

/// Why what the blocks give for an image is not the same in every epoch; empty: it is.
std::string whatChanges(const config::RunConfig& config, const config::VitConfig& vit, std::int64_t frozen)
{
    const auto& augment = config.data.augment;
    const auto because = [](const char* setting, const char* what) { return fmt::format("{} {} anew in every epoch.", setting, what); };
    if (augment.crop != config::RandomCrop::None)
        return because("data.augment.crop", "cuts images");
    if (augment.operations > 0)
        return because("data.augment.operations", "changes images");
    if (augment.erase > 0.0)
        return because("data.augment.erase", "erases parts of images");
    if (augment.mixes())
        return because(augment.mixup > 0.0 ? "data.augment.mixup" : "data.augment.cutmix", "mixes images");
    if (vit.dropPath > 0.0 && frozen > 1) // the first block never drops
        return because("model.drop_path", "drops branches of the frozen blocks");
    return {};
}

} // namespace

std::int64_t frozenBlocks(const shapes::ModelShape& shape, const std::vector<shapes::PartRange>& trainable)
{
    const auto parts = shapes::partsOf(shape);
    const auto blocks = std::ranges::find(parts, "blocks", &shapes::Part::name);
    if (trainable.empty() || blocks == parts.end())
        return 0;
    auto frozen = blocks->blocks;
    for (const auto& range : trainable)
        if (range.part == "blocks")
            frozen = std::min(frozen, range.begin);
        else if (range.part != "head")
            return 0;
    return frozen;
}

std::string outputText(std::int64_t frozen)
{
    return frozen == 1 ? "the output of the first frozen block" : fmt::format("the output of the first {} frozen blocks", frozen);
}

Prefix prefixOf(const config::RunConfig& config, const Stage& stage, std::int64_t images)
{
    Prefix prefix;
    prefix.frozen = frozenBlocks(stage.shape, stage.trainable);
    if (prefix.frozen == 0)
        return prefix;
    const auto* vit = std::get_if<config::VitConfig>(&stage.shape.model);
    if (!vit) {
        prefix.whyNot = "A diffusion model sees other noise in every step.";
        return prefix;
    }
    prefix.whyNot = whatChanges(config, *vit, prefix.frozen);
    if (!prefix.whyNot.empty())
        return prefix;
    images = imagesOf(stage, images);
    const auto grid = sideOf(stage) / vit->patchSize;
    prefix.values = {vit->hiddenSize};
    if (prefix.frozen < vit->depth)
        prefix.values.insert(prefix.values.begin(), grid * grid + 1);
    prefix.versions = config.data.flip ? 2 : 1;
    const auto each = std::accumulate(prefix.values.begin(), prefix.values.end(), prefix.versions, std::multiplies<>());
    prefix.bytes = static_cast<std::uint64_t>(images) * static_cast<std::uint64_t>(each) * sizeof(float);
    const auto limit = static_cast<std::uint64_t>(config.training.prefixCache) << 20;
    const auto steps = stepLimit(stage.length, stage.globalBatch);
    if (limit == 0)
        prefix.whyNot = "training.prefix_cache is 0.";
    else if (prefix.bytes > limit)
        prefix.whyNot =
            fmt::format("What they give takes {}, more than the {} of training.prefix_cache.", bytesText(prefix.bytes), bytesText(limit));
    else if (steps && *steps <= images * prefix.versions / stage.globalBatch)
        prefix.whyNot = "The stage sees no more images than would have to be computed.";
    else {
        auto seen = stage.shape;
        seen.side = sideOf(stage);
        prefix.blocks = prefix.frozen;
        prefix.fillFlops = static_cast<double>(images * prefix.versions) * shapes::prefixFlops(seen, prefix.blocks);
    }
    return prefix;
}

} // namespace espalier::plan
