// SPDX-License-Identifier: Apache-2.0
#include "app/cli/plan_text.h"

#include "core/base/text.h"
#include "core/plan/forecast.h"
#include "core/plan/search_results.h"
#include "core/plan/stage_config.h"
#include "core/plan/stages.h"

#include <fmt/format.h>

#include <optional>

namespace espalier::cli {
namespace {

/// What a stage took: the run's counts at its end without those at its beginning.
std::optional<plan::Progress> tookOf(const plan::Plan& plan, const plan::Stage& stage)
{
    const auto begin = plan::beginOf(plan, stage), end = plan::endOf(plan, stage.id);
    if (!begin || !end)
        return std::nullopt;
    return plan::Progress{end->steps - begin->steps, end->images - begin->images, end->seconds - begin->seconds, end->flops - begin->flops,
                          end->searchSeconds - begin->searchSeconds};
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

std::string stageLine(const plan::Plan& plan, const plan::Stage& stage, const config::RunConfig& config)
{
    const auto forecast = plan::forecast(stage);
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
    if (const auto took = tookOf(plan, stage)) {
        line += fmt::format("; took {} steps, {}, {:.3g} FLOP", groupedNumber(took->steps), secondsText(took->seconds), took->flops);
        if (took->searchSeconds > 0.0)
            line += fmt::format(", {} of searching", secondsText(took->searchSeconds));
    }
    return line + "\n";
}

/// What all stages cost together, where that is known of each.
plan::Forecast totalOf(const plan::Plan& plan)
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
        const auto one = plan::forecast(stage);
        add(total.steps, one.steps);
        add(total.images, one.images);
        add(total.flops, one.flops);
    }
    return total;
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

std::string planText(const plan::Plan& plan, const config::RunConfig& config)
{
    std::string text;
    for (const auto& stage : plan.stages)
        text += stageLine(plan, stage, config) + searchText(plan, stage, config);
    if (plan.stages.size() > 1)
        if (const auto total = totalOf(plan); total.steps && total.flops)
            text += fmt::format("  together: forecast {} steps and {:.3g} FLOP\n", groupedNumber(*total.steps), *total.flops);
    return text;
}

Json planDocument(const plan::Plan& plan, const config::RunConfig& config)
{
    Json stages = Json::array();
    for (const auto& stage : plan.stages) {
        const auto forecast = plan::forecast(stage);
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
        const auto& [steps, images, seconds] = stage.length;
        if (steps)
            json["length"]["steps"] = *steps;
        if (images)
            json["length"]["images"] = *images;
        if (seconds)
            json["length"]["seconds"] = *seconds;
        if (const auto took = tookOf(plan, stage))
            json["actual"] = {{"steps", took->steps},
                              {"images", took->images},
                              {"seconds", took->seconds},
                              {"flops", took->flops},
                              {"search_seconds", took->searchSeconds}};
        if (auto search = searchDocument(plan, stage, config); !search.is_null())
            json["search"] = std::move(search);
        stages.push_back(std::move(json));
    }
    return stages;
}

} // namespace espalier::cli
