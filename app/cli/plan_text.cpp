// SPDX-License-Identifier: Apache-2.0
#include "app/cli/plan_text.h"

#include "core/base/text.h"
#include "core/config/devices.h"
#include "core/plan/forecast.h"
#include "core/plan/prefix.h"
#include "core/plan/search_cost.h"
#include "core/plan/search_results.h"
#include "core/plan/side_by_side.h"
#include "core/plan/stage_config.h"
#include "core/plan/stages.h"
#include "core/plan/strategy.h"

#include <fmt/format.h>

#include <limits>
#include <optional>

namespace espalier::cli {
namespace {

/// What a stage took: the run's counts at its end without those at its beginning.
std::optional<plan::Progress> tookOf(const plan::Plan& plan, const plan::Stage& stage)
{
    const auto begin = plan::beginOf(plan, stage), end = plan::endOf(plan, stage.id);
    if (!begin || !end)
        return std::nullopt;
    return plan::Progress{end->steps - begin->steps,
                          end->images - begin->images,
                          end->seconds - begin->seconds,
                          end->flops - begin->flops,
                          end->searchSeconds - begin->searchSeconds,
                          end->searchFlops - begin->searchFlops};
}

std::string secondsText(double seconds)
{
    return durationText(std::chrono::duration<double>(seconds));
}

std::string lengthText(const plan::Length& length)
{
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : " or ") + part; };
    if (length.steps)
        add(fmt::format("{} steps", groupedNumber(*length.steps)));
    if (length.images)
        add(fmt::format("{} images", groupedNumber(*length.images)));
    if (length.seconds)
        add(secondsText(*length.seconds));
    return text;
}

std::int64_t pixelsOf(const plan::Stage& stage, const config::RunConfig& config)
{
    return plan::sideOf(stage) * plan::pixelsPerPosition(config);
}

bool isSearch(const plan::Stage& stage)
{
    return stage.role == plan::Stage::Role::Supernet;
}

/// Ranges that follow each other as one.
std::vector<shapes::PartRange> joined(const std::vector<shapes::PartRange>& ranges)
{
    std::vector<shapes::PartRange> all;
    for (const auto& range : ranges)
        if (!all.empty() && all.back().part == range.part && all.back().end == range.begin)
            all.back().end = range.end;
        else
            all.push_back(range);
    return all;
}

/// What the steps of a stage need not compute again.
plan::Prefix prefixOf(const plan::Stage& stage, const config::RunConfig& config, std::int64_t images)
{
    return plan::prefixOf(plan::configOf(config, stage), stage, images);
}

/// What becomes of frozen blocks at the beginning; empty without any.
std::string prefixLine(const plan::Prefix& prefix)
{
    if (prefix.frozen == 0)
        return {};
    if (!prefix.kept())
        return fmt::format("    {} is computed in every step. {}\n", plan::outputText(prefix.frozen), prefix.whyNot);
    return fmt::format("    {} is computed once for each image{} and kept{}\n", plan::outputText(prefix.blocks),
                       prefix.versions > 1 ? " and its mirror image" : "",
                       prefix.bytes > 0 ? fmt::format(": {} on each rank", bytesText(prefix.bytes)) : "");
}

/// Operations that measuring for the size of a stage takes; 0: nothing is measured.
double measuringOf(const plan::Stage& stage, const config::RunConfig& config, std::int64_t images)
{
    const auto count = images > 0 ? images : std::numeric_limits<std::int64_t>::max();
    double flops = 0.0;
    for (const auto& request : plan::makeStrategy(config, {count})->searches(stage))
        flops += plan::searchFlops(request, stage, config.search, count);
    return flops;
}

std::string stageLine(const plan::Plan& plan, const plan::Stage& stage, const config::RunConfig& config, std::int64_t images)
{
    const auto prefix = prefixOf(stage, config, images);
    const auto forecast = plan::forecast(stage, 0.0, prefix);
    const auto trained = stage.trainable.empty() ? fmt::format("{} parameters", groupedNumber(forecast.parameters))
                                                 : fmt::format("{} of {} parameters train ({})", groupedNumber(forecast.trained),
                                                               groupedNumber(forecast.parameters), plan::textOf(joined(stage.trainable)));
    auto line =
        fmt::format("  {}: {}{}, images of {}², {}, batch {}, {}", stage.id,
                    isSearch(stage) ? fmt::format("search for stage {} among {} sub-nets of ", stage.index, stage.window.size()) : "",
                    shapes::describe(stage.shape), pixelsOf(stage, config), trained, stage.globalBatch, lengthText(stage.length));
    if (forecast.steps || forecast.flops)
        line += ", forecast";
    if (forecast.steps)
        line += fmt::format(" {} steps", groupedNumber(*forecast.steps));
    if (forecast.flops)
        line += fmt::format(" and {:.3g} FLOP", *forecast.flops);
    if (const auto measuring = measuringOf(stage, config, images); measuring > 0.0)
        line += fmt::format(", measuring {:.3g} FLOP", measuring);
    if (const auto took = tookOf(plan, stage)) {
        line += fmt::format("; took {} steps, {}, {:.3g} FLOP", groupedNumber(took->steps), secondsText(took->seconds), took->flops);
        if (took->searchSeconds > 0.0)
            line += fmt::format(", {} and {:.3g} FLOP of searching", secondsText(took->searchSeconds), took->searchFlops);
    }
    return line + "\n" + prefixLine(prefix);
}

/// What all stages cost together, where that is known of each.
plan::Forecast totalOf(const plan::Plan& plan, const config::RunConfig& config, std::int64_t images)
{
    plan::Forecast total;
    total.steps = total.images = 0;
    total.flops = 0.0;
    const auto add = [](auto& sum, const auto& part) {
        if (sum && part)
            *sum += *part;
        else
            sum.reset();
    };
    for (const auto& stage : plan.stages) {
        const auto one = plan::forecast(stage, 0.0, prefixOf(stage, config, images));
        add(total.steps, one.steps);
        add(total.images, one.images);
        add(total.flops, one.flops);
    }
    return total;
}

/// How long a run takes whose stages stand side by side; nothing for others.
std::optional<plan::SideBySide> sideBySideOf(const plan::Plan& plan, const config::RunConfig& config, std::int64_t images)
{
    const auto devices = config::parseDevices(config.devices);
    std::vector<std::optional<double>> flops;
    for (const auto& stage : plan.stages)
        flops.push_back(plan::forecast(stage, 0.0, prefixOf(stage, config, images)).flops);
    return devices ? plan::sideBySide(plan, config, devices->count, flops) : std::nullopt;
}

std::string sideBySideText(const plan::SideBySide& side)
{
    auto text = side.places == 1 ? fmt::format("  {} modules train in turn", side.branches)
                                 : fmt::format("  {} of {} modules train at once", side.places, side.branches);
    text += fmt::format(" on {} device{}: the run takes as long as {:.3g} FLOP of one device", side.devices, side.devices == 1 ? "" : "s",
                        side.wallFlops);
    if (side.wallSeconds)
        text += fmt::format(", forecast {}", secondsText(*side.wallSeconds));
    return text + fmt::format(", and {:.3g} FLOP of device time\n", side.deviceFlops);
}

Json costDocument(const plan::Forecast& forecast)
{
    Json json = Json::object();
    if (forecast.steps)
        json["steps"] = *forecast.steps;
    if (forecast.images)
        json["images"] = *forecast.images;
    if (forecast.flops)
        json["flops"] = *forecast.flops;
    if (forecast.seconds)
        json["seconds"] = *forecast.seconds;
    return json;
}

} // namespace

std::string searchText(const plan::Plan& plan, const plan::Stage& stage, const config::RunConfig& config)
{
    const auto found = plan::searchResults(plan, stage, config);
    if (!found)
        return {};
    std::string text = found->trained ? fmt::format("    {:<14} {:>10} {:>10} {:>10}\n", "candidate", "loss", "time", "score")
                                      : fmt::format("    {:<14} {:>11} {:>11} {:>10}  {:>5} {:>5} {:>5} {:>6}\n", "candidate", "NTK",
                                                    "ZiCo", "time", "r.NTK", "r.ZC", "r.t", "total");
    for (const auto& each : found->candidates) {
        const char* mark = each.chosen ? "  chosen" : "";
        text += found->trained
                    ? fmt::format("    {:<14} {:>10.4g} {:>10.4g} {:>10.4g}{}\n", each.name, each.loss, each.seconds, each.total, mark)
                    : fmt::format("    {:<14} {:>11.4g} {:>11.4g} {:>10.4g}  {:>5g} {:>5g} {:>5g} {:>6g}{}\n", each.name, each.ntk,
                                  each.zico, each.seconds, each.ntkRank, each.zicoRank, each.timeRank, each.total, mark);
    }
    if (!found->complete)
        text += "    not all was measured yet\n";
    return text;
}

Json searchDocument(const plan::Plan& plan, const plan::Stage& stage, const config::RunConfig& config)
{
    const auto found = plan::searchResults(plan, stage, config);
    if (!found)
        return nullptr;
    Json json{{"complete", found->complete}, {"candidates", Json::array()}};
    if (found->trained)
        json["exponent"] = found->exponent;
    for (const auto& each : found->candidates) {
        Json one{{"name", each.name}, {"seconds", each.seconds}, {"total", each.total}, {"chosen", each.chosen}};
        if (found->trained)
            one["loss"] = each.loss;
        else
            one.update({{"ntk", each.ntk},
                        {"zico", each.zico},
                        {"ranks", {{"seconds", each.timeRank}, {"ntk", each.ntkRank}, {"zico", each.zicoRank}}}});
        json["candidates"].push_back(std::move(one));
    }
    return json;
}

std::string planText(const plan::Plan& plan, const config::RunConfig& config, std::int64_t images)
{
    std::string text;
    for (const auto& stage : plan.stages)
        text += stageLine(plan, stage, config, images) + searchText(plan, stage, config);
    if (plan.stages.size() > 1)
        if (const auto total = totalOf(plan, config, images); total.steps && total.flops)
            text += fmt::format("  together: forecast {} steps and {:.3g} FLOP\n", groupedNumber(*total.steps), *total.flops);
    if (const auto side = sideBySideOf(plan, config, images))
        text += sideBySideText(*side);
    if (const auto spent = plan::spentOnSearching(plan); spent.seconds > 0.0)
        text += fmt::format("  searching so far: {} and {:.3g} FLOP beside the training\n", secondsText(spent.seconds), spent.flops);
    return text;
}

Json sideBySideDocument(const plan::Plan& plan, const config::RunConfig& config, std::int64_t images)
{
    const auto side = sideBySideOf(plan, config, images);
    if (!side)
        return nullptr;
    Json json{{"modules", side->branches},
              {"devices", side->devices},
              {"at_once", side->places},
              {"device_flops", side->deviceFlops},
              {"wall_flops", side->wallFlops}};
    if (side->wallSeconds)
        json["wall_seconds"] = *side->wallSeconds;
    return json;
}

Json planDocument(const plan::Plan& plan, const config::RunConfig& config, std::int64_t images)
{
    Json stages = Json::array();
    for (const auto& stage : plan.stages) {
        const auto prefix = prefixOf(stage, config, images);
        const auto forecast = plan::forecast(stage, 0.0, prefix);
        Json json{{"id", stage.id},
                  {"index", stage.index},
                  {"role", isSearch(stage) ? "supernet" : "train"},
                  {"model", shapes::describe(stage.shape)},
                  {"side", pixelsOf(stage, config)},
                  {"parameters", forecast.parameters},
                  {"trained", forecast.trained},
                  {"trainable", plan::textOf(joined(stage.trainable))},
                  {"batch", stage.globalBatch},
                  {"length", Json::object()},
                  {"flops_per_image", forecast.flopsPerImage},
                  {"forecast", costDocument(forecast)}};
        const auto& length = stage.length;
        if (length.steps)
            json["length"]["steps"] = *length.steps;
        if (length.images)
            json["length"]["images"] = *length.images;
        if (length.seconds)
            json["length"]["seconds"] = *length.seconds;
        if (prefix.frozen > 0)
            json["frozen"] = {{"blocks", prefix.frozen}, {"kept", prefix.kept()}, {"bytes", prefix.bytes}, {"why_not", prefix.whyNot}};
        if (const auto took = tookOf(plan, stage))
            json["actual"] = {{"steps", took->steps},
                              {"images", took->images},
                              {"seconds", took->seconds},
                              {"flops", took->flops},
                              {"search_seconds", took->searchSeconds},
                              {"searching_flops", took->searchFlops}};
        if (const auto measuring = measuringOf(stage, config, images); measuring > 0.0)
            json["forecast"]["searching_flops"] = measuring;
        if (auto search = searchDocument(plan, stage, config); !search.is_null())
            json["search"] = std::move(search);
        stages.push_back(std::move(json));
    }
    return stages;
}

} // namespace espalier::cli
