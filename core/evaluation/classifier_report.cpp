// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/classifier_report.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::evaluation {

runs::Evaluated classifierEvent(const ClassifierScore& score, const ClassifierRecipe& recipe, std::int64_t step, int stage)
{
    const auto shown = recipe.weights.starts_with("ema") ? "EMA" + recipe.weights.substr(3) : recipe.weights;
    const auto images = score.counts.count();
    runs::Evaluated event{.step = step, .stage = stage, .weights = recipe.weights, .metric = "top1", .value = score.top1()};
    event.floor = 100.0 / static_cast<double>(score.counts.confusion().size(0));
    event.recipe = {{"name", fmt::format("Top-1, {}, {} {} images", shown, images, recipe.images)},
                    {"images", images},
                    {"weights", recipe.weights},
                    {"split", recipe.images},
                    {"side", recipe.side},
                    {"crop_ratio", recipe.cropRatio}};
    event.extra = {{"top5", score.top5()}, {"loss", score.loss}};
    if (score.unreadable > 0)
        event.extra["unreadable"] = score.unreadable;
    if (score.counts.notFinite() > 0)
        event.extra["not_finite"] = score.counts.notFinite();
    return event;
}

runs::Confusion confusionOf(const ClassifierScore& score, const std::vector<std::string>& names)
{
    const auto& counts = score.counts.confusion();
    runs::Confusion confusion;
    for (std::int64_t i = 0; i < counts.size(0); ++i)
        confusion.classes.push_back(static_cast<std::size_t>(i) < names.size() ? names[static_cast<std::size_t>(i)] : fmt::format("{}", i));
    confusion.counts.assign(counts.data_ptr<std::int64_t>(), counts.data_ptr<std::int64_t>() + counts.numel());
    return confusion;
}

} // namespace espalier::evaluation
