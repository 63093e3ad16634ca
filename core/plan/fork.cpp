// SPDX-License-Identifier: Apache-2.0
#include "core/plan/fork.h"

#include "core/config/config.h"
#include "core/plan/stage_config.h"
#include "core/plan/strategy.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace espalier::plan {
namespace {

/// Training images as far as the lengths of the parent's stages tell them: only passes over the data depend on their number.
DataFacts dataOf(const Plan& parent, const config::RunConfig& config)
{
    constexpr std::int64_t kUnknown = 1'000'000'000;
    const auto* stages = std::get_if<config::StagesSchedule>(&config.schedule);
    if (stages && !stages->epochs.empty() && stages->epochs.front() > 0)
        return {parent.stages.front().length.images.value_or(kUnknown) / stages->epochs.front()};
    std::int64_t images = 0;
    for (const auto& stage : parent.stages)
        images += stage.length.images.value_or(0);
    return {config.training.epochs > 0 && images >= config.training.epochs ? images / config.training.epochs : kUnknown};
}

/// How a run trained up to the end of a stage, in everything that may not change behind it.
struct Past {
    std::vector<Stage> stages;
    std::vector<Json> configs;
};
bool operator==(const Past& a, const Past& b)
{
    const auto decides = [](const config::Difference& each) {
        return each.change == config::Change::Never && !each.path.starts_with("schedule") && !each.path.starts_with("search");
    };
    return a.stages == b.stages && std::ranges::equal(a.configs, b.configs, [&](const Json& x, const Json& y) {
               return std::ranges::none_of(config::difference(x, y), decides);
           });
}

Result<Past> pastOf(const config::RunConfig& config, DataFacts data, const std::vector<Measurement>& ledger, int index)
{
    auto plan = planOf(*makeStrategy(config, data), ledger);
    if (!plan)
        return plan.error();
    Past past;
    for (auto stage : plan->stages) {
        if (stage.index > index)
            continue;
        past.configs.push_back(config::write(configOf(config, stage)));
        stage.devices.clear(); // may change whenever a run is resumed
        past.stages.push_back(std::move(stage));
    }
    return past;
}

/// The length of the whole may change whenever a run is resumed: a stage that has ended stays as long as it was.
config::RunConfig withLengthOf(config::RunConfig config, const config::RunConfig& other)
{
    config.training.steps = other.training.steps;
    config.training.epochs = other.training.epochs;
    config.training.images = other.training.images;
    config.training.seconds = other.training.seconds;
    return config;
}

/// The setting that alone makes a past another one; the first of all that differ where only several together do.
std::string culprit(const config::RunConfig& before, const config::RunConfig& config, const Past& past, DataFacts data,
                    const std::vector<Measurement>& ledger, int index)
{
    const auto written = config::write(before);
    const auto differences = config::difference(written, config::write(config));
    for (const auto& each : differences) {
        auto alone = written;
        const auto* field = config::findField(each.path, config::write(config));
        if (!field)
            continue;
        config::setValue(alone, *field, each.after);
        const auto read = config::read(alone);
        const auto other = read ? pastOf(*read, data, ledger, index) : Result<Past>(read.error());
        if (other && !(*other == past))
            return each.path;
    }
    return differences.empty() ? "schedule" : differences.front().path;
}

} // namespace

Result<const Stage*> stageNumbered(const Plan& plan, int index)
{
    const Stage* found = nullptr;
    int last = 0;
    for (const auto& stage : plan.stages) {
        last = std::max(last, stage.index);
        if (stage.index == index && stage.role == Stage::Role::Train)
            found = &stage;
    }
    if (!found)
        return Error{ErrorCode::Usage,
                     last == 0 ? fmt::format("There is no stage {}: this run has stage 0 alone.", index)
                               : fmt::format("There is no stage {}: this run has stages 0 to {}.", index, last),
                     {}};
    return found;
}

Result<Fork> forkAt(const Plan& parent, const config::RunConfig& before, const config::RunConfig& config, int index)
{
    if (std::holds_alternative<config::AssembledSchedule>(before.schedule))
        return Error{
            ErrorCode::Usage,
            "An assembled run is not forked: name it in schedule.meta_from and schedule.module_files of a new run, which takes from it "
            "what you choose.",
            {}};
    const auto stage = stageNumbered(parent, index);
    if (!stage)
        return stage.error();
    const auto end = endOf(parent, (*stage)->id);
    if (!end)
        return Error{ErrorCode::Usage, fmt::format("Stage {} has not ended yet; there is nothing to go on from.", index), {}};
    std::vector<Measurement> ledger; // in the order in which it was measured
    for (const auto& measurement : parent.ledger) {
        ledger.push_back(measurement);
        if (measurement.id == (*stage)->id)
            break;
    }
    const auto data = dataOf(parent, before);
    const auto past = pastOf(before, data, ledger, index);
    if (!past)
        return past.error();
    const auto neutral = withLengthOf(config, before);
    const auto same = pastOf(neutral, data, ledger, index);
    if (!same)
        return same.error();
    if (!(*same == *past)) {
        const auto path = culprit(before, neutral, *past, data, ledger, index);
        return Error{ErrorCode::Usage,
                     fmt::format("{} decides how {}, which a fork takes as {}. Leave it{}.", path,
                                 index == 0 ? "stage 0 was trained" : fmt::format("the stages up to {} were trained", index),
                                 index == 0 ? "it is" : "they are", index == 0 ? "" : ", or fork at an earlier stage"),
                     path};
    }
    auto plan = planOf(*makeStrategy(config, data), ledger);
    if (!plan)
        return plan.error();
    return Fork{*std::move(plan), (*stage)->id, end->steps};
}

} // namespace espalier::plan
