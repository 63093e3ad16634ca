// SPDX-License-Identifier: Apache-2.0
#include "core/config/schedule_check.h"

#include "core/config/value_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::config {
namespace {

using Problems = std::vector<Problem>;

void checkLists(const StagesSchedule& schedule, const RunConfig& config, Problems& problems)
{
    const auto wanted = static_cast<std::size_t>(schedule.stages);
    const auto one = [&](const char* name, const auto& list, const char* why) {
        const auto path = fmt::format("schedule.{}", name);
        if (list.empty())
            return;
        if (why)
            problems.push_back({path, fmt::format("{} must be empty, because {}.", path, why)});
        else if (list.size() != wanted)
            problems.push_back({path, fmt::format("{} must have an entry for each of the {} stages (schedule.stages), or none; it has {}.",
                                                  path, wanted, list.size())});
    };
    const bool unet = std::holds_alternative<UNetConfig>(config.model), vit = std::holds_alternative<VitConfig>(config.model);
    const char* isUNet = unet ? "a U-Net grows in schedule.levels and schedule.blocks" : nullptr;
    const char* isTransformer = unet ? nullptr : "a transformer grows in schedule.depth";
    one("share", schedule.share, nullptr);
    one("steps", schedule.steps, nullptr);
    one("epochs", schedule.epochs, nullptr);
    one("seconds", schedule.seconds, nullptr);
    one("depth", schedule.depth, isUNet);
    one("levels", schedule.levels, isTransformer);
    one("blocks", schedule.blocks, isTransformer);
    one("side", schedule.side, nullptr);
    one("drop", schedule.drop, unet || vit ? nullptr : "a DiT drops nothing but classes");
    one("rand_augment", schedule.randAugment, vit ? nullptr : "only images that are told apart are augmented");
    one("erase_prob", schedule.eraseProb, vit ? nullptr : "only images that are told apart are erased");
    one("learning_rate", schedule.learningRate, nullptr);
    one("batch_size", schedule.batchSize, nullptr);
    if (!schedule.share.empty() && !std::all_of(schedule.share.begin(), schedule.share.end(), [](double s) { return s > 0.0; }))
        problems.push_back({"schedule.share", "schedule.share must be above 0 for every stage: each trains."});
    if (schedule.growth == GrowthOperator::MoGrow && config.training.ema.decays.empty())
        problems.push_back({"schedule.growth", "schedule.growth mogrow grows from an average, and training.ema.decays is empty."});
}

/// Latents that somebody else made come at one side.
void checkFeatures(const RunConfig& config, Problems& problems)
{
    if (config.data.source != DataSource::Features)
        return;
    if (const auto* stages = std::get_if<StagesSchedule>(&config.schedule)) {
        const auto other = std::ranges::find_if(stages->side, [&](std::int64_t side) { return side != config.data.side; });
        if (other != stages->side.end())
            problems.push_back(
                {"schedule.side", fmt::format("schedule.side must be data.side ({}) for every stage, because data.source features "
                                              "has latents of one side; it has {}.",
                                              config.data.side, *other)});
        return;
    }
    const auto* autoprog = std::get_if<AutoProgSchedule>(&config.schedule);
    const auto* zero = std::get_if<AutoProgZeroSchedule>(&config.schedule);
    if ((autoprog && autoprog->sideStart != 1.0) || (zero && zero->sideStart != 1.0))
        problems.push_back(
            {"schedule.side_start", fmt::format("schedule.side_start must be 1, because data.source features has latents of one "
                                                "side; it is {}.",
                                                numberText(autoprog ? autoprog->sideStart : zero->sideStart))});
}

void checkAutoProg(const AutoProgSchedule& schedule, const RunConfig& config, Problems& problems)
{
    const bool averages = !config.training.ema.decays.empty();
    if (schedule.growth == GrowthOperator::MoGrow && !averages)
        problems.push_back({"schedule.growth", "schedule.growth mogrow grows from an average, and training.ema.decays is empty."});
}

void checkZero(const AutoProgZeroSchedule& schedule, const RunConfig& config, Problems& problems)
{
    if (const auto* dit = std::get_if<DitConfig>(&config.model); dit && dit->numStages != 0 && dit->numStages != schedule.stages)
        problems.push_back(
            {"model.num_stages", fmt::format("model.num_stages must be {}, the stages of the schedule, or 0 for a network that "
                                             "is not told its stage; it is {}.",
                                             schedule.stages, dit->numStages)});
    const auto& search = config.search;
    if (search.enabled && search.timeWeight == 0.0 && search.ntkWeight == 0.0 && search.zicoWeight == 0.0)
        problems.push_back({"search.time_weight",
                            "One of search.time_weight, search.ntk_weight and search.zico_weight must be above 0: without "
                            "a vote nothing is chosen."});
}

} // namespace

std::vector<Problem> checkSchedule(const RunConfig& config)
{
    Problems problems;
    if (const auto* stages = std::get_if<StagesSchedule>(&config.schedule))
        checkLists(*stages, config, problems);
    else if (const auto* autoprog = std::get_if<AutoProgSchedule>(&config.schedule))
        checkAutoProg(*autoprog, config, problems);
    else if (const auto* zero = std::get_if<AutoProgZeroSchedule>(&config.schedule))
        checkZero(*zero, config, problems);
    else if (const auto* assembled = std::get_if<AssembledSchedule>(&config.schedule))
        problems = checkAssembled(*assembled, config);
    checkFeatures(config, problems);
    return problems;
}

} // namespace espalier::config
