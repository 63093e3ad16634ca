// SPDX-License-Identifier: Apache-2.0
// What is wrong with an assembled schedule, as far as settings alone tell it.
#include "core/config/schedule_check.h"
#include "core/config/value_text.h"
#include "core/config/visitors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <optional>
#include <string_view>

namespace espalier::config {
namespace {

using Problems = std::vector<Problem>;

struct Phase {
    const char* name; // "pt"
    const PhaseConfig& config;
    bool trained;
};

std::array<Phase, 3> phasesOf(const AssembledSchedule& schedule)
{
    const bool all = schedule.phase == Phases::All;
    return {{{"pt", schedule.pt, (all && schedule.metaFrom.empty()) || schedule.phase == Phases::Meta},
             {"mt", schedule.mt, all || schedule.phase == Phases::Modules},
             {"ft", schedule.ft, all || schedule.phase == Phases::Assembled}}};
}

/// Blocks of a transformer.
std::int64_t depthOf(const ModelConfig& model)
{
    const auto* vit = std::get_if<VitConfig>(&model);
    return vit ? vit->depth : std::get<DitConfig>(model).depth;
}

/// The modules of a U-Net are its levels.
void checkLevels(const AssembledSchedule& schedule, const UNetConfig& unet, Problems& problems)
{
    const auto levels = static_cast<std::int64_t>(unet.chMultipliers.size());
    if (schedule.modules != 0 && schedule.modules != levels)
        problems.push_back({"schedule.modules",
                            fmt::format("schedule.modules must be {}, the levels of the U-Net (model.ch_multipliers), or 0, which takes "
                                        "their number; it is {}.",
                                        levels, schedule.modules)});
    if (!schedule.division.empty())
        problems.push_back({"schedule.division", "schedule.division must be empty for a U-Net, whose modules are its levels: "
                                                 "model.num_res_blocks and model.level_blocks say how many blocks these have."});
    if (schedule.metaBlocks > UNetConfig::kMaxLevelBlocks)
        problems.push_back({"schedule.meta_blocks", fmt::format("schedule.meta_blocks must be at most {} for a U-Net, in each of its "
                                                                "levels; it is {}.",
                                                                UNetConfig::kMaxLevelBlocks, schedule.metaBlocks)});
}

void checkDivision(const AssembledSchedule& schedule, const ModelConfig& model, Problems& problems)
{
    if (const auto* unet = std::get_if<UNetConfig>(&model))
        return checkLevels(schedule, *unet, problems);
    const auto depth = depthOf(model), modules = modulesOf(schedule, model);
    const auto& division = schedule.division;
    if (division.empty()) {
        if (depth % modules != 0)
            problems.push_back({"schedule.modules",
                                fmt::format("schedule.modules must divide the {} blocks of the model (model.depth), or schedule.division "
                                            "say how many each module has; it is {}.",
                                            depth, modules)});
        return;
    }
    if (static_cast<std::int64_t>(division.size()) != modules)
        problems.push_back(
            {"schedule.division",
             fmt::format("schedule.division must have an entry for each of the {} modules (schedule.modules), or none; it has {}.", modules,
                         division.size())});
    else if (const auto sum = std::accumulate(division.begin(), division.end(), std::int64_t{0}); sum != depth)
        problems.push_back({"schedule.division", fmt::format("schedule.division must deal out the {} blocks of the model (model.depth); it "
                                                             "deals out {}.",
                                                             depth, sum)});
}

/// 0.9999 of "ema:0.9999"; none for raw and ema.
std::optional<double> decayIn(std::string_view weights)
{
    constexpr std::string_view kAverage = "ema:";
    if (!isWeightsName(weights) || !weights.starts_with(kAverage))
        return std::nullopt;
    double decay = 0.0;
    std::from_chars(weights.data() + kAverage.size(), weights.data() + weights.size(), decay);
    return decay;
}

void checkSources(const AssembledSchedule& schedule, const RunConfig& config, Problems& problems)
{
    const auto modules = modulesOf(schedule, config.model);
    const auto files = moduleFiles(schedule, modules);
    if (!files) {
        problems.push_back({files.error().detail, files.error().message});
        return;
    }
    const auto missing = std::ranges::find(*files, std::string());
    if (schedule.phase == Phases::Assembled && missing != files->end())
        problems.push_back({"schedule.module_files",
                            fmt::format("schedule.module_files must name every module, because schedule.phase is FT; module {} is missing.",
                                        missing - files->begin())});
    if (schedule.phase == Phases::Modules && schedule.metaFrom.empty())
        problems.push_back({"schedule.meta_from", "schedule.meta_from must name the meta model, because schedule.phase is MT."});
    if (schedule.phase == Phases::Meta && !schedule.metaFrom.empty())
        problems.push_back(
            {"schedule.meta_from", "schedule.meta_from must be empty, because schedule.phase is PT: this run trains the meta model."});
    if (schedule.phase != Phases::Modules && schedule.module >= 0)
        problems.push_back({"schedule.module", fmt::format("schedule.module must be -1, because schedule.phase is {} and not MT; it is {}.",
                                                           nameOf(schedule.phase), schedule.module)});
    if (schedule.module >= modules)
        problems.push_back({"schedule.module",
                            fmt::format("schedule.module must be from 0 to {}, the last module; it is {}.", modules - 1, schedule.module)});
    if (!isWeightsName(schedule.weights))
        problems.push_back(
            {"schedule.weights", fmt::format("schedule.weights {} names no weights; known are raw, ema and ema:DECAY (such as "
                                             "ema:0.9999).",
                                             shortText(schedule.weights))});
    if (schedule.weights != "raw" && config.training.ema.decays.empty())
        problems.push_back(
            {"schedule.weights", "schedule.weights must be raw, because training.ema.decays is empty and nothing is averaged."});
    if (const auto average = decayIn(schedule.weights);
        average && schedule.phase == Phases::All && missing != files->end() && !config.training.ema.decays.empty() &&
        std::ranges::find(config.training.ema.decays, *average) == config.training.ema.decays.end())
        problems.push_back({"schedule.weights", fmt::format("schedule.weights {} is no average of this run, whose training.ema.decays are "
                                                            "{}.",
                                                            schedule.weights, fmt::join(config.training.ema.decays, ", "))});
    const bool begins = schedule.phase == Phases::Meta || (schedule.phase == Phases::All && schedule.metaFrom.empty());
    if (!begins && !config.init.from.empty())
        problems.push_back({"init.from", "init.from must be empty, because this run trains no meta model that could begin with it."});
}

void checkPhases(const AssembledSchedule& schedule, const RunConfig& config, Problems& problems)
{
    const auto& training = config.training;
    bool some = false;
    for (const auto& phase : phasesOf(schedule))
        some = some || (phase.trained && phase.config.hasLength());
    for (const auto& [name, phase, trained] : phasesOf(schedule)) {
        if (!trained)
            continue;
        const auto path = fmt::format("schedule.{}", name);
        if (some && !phase.hasLength())
            problems.push_back(
                {path + ".epochs", fmt::format("{} has no end: set one of its steps, epochs and seconds above 0, or none of any "
                                               "phase to share the length of the run.",
                                               path)});
        const auto batch = phase.batchSize > 0 ? phase.batchSize : training.batchSize;
        const auto micro = phase.microBatch >= 0 ? phase.microBatch : training.microBatch;
        const auto group = phase.mixGroup >= 0 ? phase.mixGroup : config.data.augment.mixGroup;
        if (micro > 0 && batch % micro != 0)
            problems.push_back(
                {path + ".micro_batch", fmt::format("{}.batch_size {} is no multiple of its micro-batch {}.", path, batch, micro)});
        if (micro > 0 && group > 0 && micro % group != 0)
            problems.push_back(
                {path + ".mix_group", fmt::format("{}.mix_group must divide its micro-batch {}; it is {}.", path, micro, group)});
        if (phase.drop >= 0.0 && std::holds_alternative<DitConfig>(config.model))
            problems.push_back({path + ".drop", fmt::format("{}.drop must be -1, because a DiT drops nothing.", path)});
    }
}

} // namespace

std::int64_t modulesOf(const AssembledSchedule& schedule, const ModelConfig& model)
{
    constexpr std::int64_t kPublished = 4;
    const auto* unet = std::get_if<UNetConfig>(&model);
    return schedule.modules > 0 ? schedule.modules : unet ? static_cast<std::int64_t>(unet->chMultipliers.size()) : kPublished;
}

Result<std::vector<std::string>> moduleFiles(const AssembledSchedule& schedule, std::int64_t modules)
{
    const auto count = static_cast<std::size_t>(modules);
    std::vector<std::string> files;
    const auto& text = schedule.moduleFiles;
    for (std::size_t begin = 0; !text.empty() && begin <= text.size();) {
        const auto end = std::min(text.find(';', begin), text.size());
        files.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    if (!text.empty() && files.size() != count)
        return Error{ErrorCode::Usage,
                     fmt::format("schedule.module_files must have a place for each of the {} modules, with ; between them; it has {}.",
                                 count, files.size()),
                     "schedule.module_files"};
    files.resize(count);
    return files;
}

std::vector<std::int64_t> divisionOf(const AssembledSchedule& schedule, const ModelConfig& model)
{
    if (const auto* unet = std::get_if<UNetConfig>(&model))
        return blocksOfLevels(*unet);
    if (!schedule.division.empty())
        return schedule.division;
    const auto depth = depthOf(model), modules = modulesOf(schedule, model);
    return std::vector<std::int64_t>(static_cast<std::size_t>(modules), depth / modules);
}

std::vector<Problem> checkAssembled(const AssembledSchedule& schedule, const RunConfig& config)
{
    Problems problems;
    checkDivision(schedule, config.model, problems);
    checkSources(schedule, config, problems);
    checkPhases(schedule, config, problems);
    return problems;
}

} // namespace espalier::config
