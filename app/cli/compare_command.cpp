// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/run_weights.h"
#include "core/base/text.h"
#include "core/plan/comparison.h"
#include "core/runs/metrics.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>

namespace espalier::cli {

namespace {

struct CompareOptions {
    std::vector<std::string> runs;
    std::string equal = "wall";
    bool csv = false;
};

Result<plan::ComparedRun> read(const std::string& typed)
{
    const auto run = runs::findRun(typed);
    if (!run)
        return run.error();
    runs::RunFollower follower(run->root());
    follower.poll();
    std::error_code error;
    if (!std::filesystem::exists(run->planFile(), error))
        return plan::comparedRun(follower, nullptr);
    const auto plan = planOf(*run);
    if (!plan)
        return plan.error();
    return plan::comparedRun(follower, &*plan);
}

std::string durationOf(double seconds)
{
    return durationText(std::chrono::duration<double>(seconds));
}

std::string amount(double value, plan::Equal equal)
{
    return equal == plan::Equal::Images ? groupedNumber(static_cast<std::int64_t>(value)) + " images" : durationOf(value);
}

std::string wordsOf(plan::Equal equal)
{
    return equal == plan::Equal::DeviceTime ? "of all devices together" : equal == plan::Equal::WallTime ? "of wall-clock" : "seen";
}

Json pointJson(const plan::ComparedPoint& point)
{
    return {{"step", point.step},
            {"value", point.value},
            {"images", point.images},
            {"device_seconds", point.spent.device},
            {"wall_seconds", point.spent.wall}};
}

std::string csvOf(const std::vector<plan::ComparedRun>& runs)
{
    std::string csv = "run,metric,recipe,step,value,images,device_seconds,wall_seconds\n";
    const auto quoted = [](std::string text) {
        for (std::size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2)
            text.insert(at, 1, '"');
        return '"' + text + '"';
    };
    for (const auto& run : runs)
        for (const auto& series : run.series)
            for (const auto& point : series.points)
                fmt::format_to(std::back_inserter(csv), "{},{},{},{},{},{},{},{}\n", quoted(run.name), series.metric, quoted(series.recipe),
                               point.step, point.value, point.images, point.spent.device, point.spent.wall);
    return csv;
}

void tell(const std::vector<plan::ComparedRun>& runs, const plan::Comparison& compared, plan::Equal equal, Console& console)
{
    auto text = fmt::format("{} ({}) after {} {}, and how soon each was as good as {}\n", runs::metricTitle(compared.metric),
                            compared.recipe, amount(compared.equal, equal), wordsOf(equal), runs.front().name);
    Json rows = Json::array();
    std::size_t wide = 0;
    for (const auto& run : runs)
        wide = std::max(wide, run.name.size());
    const auto value = [](const std::optional<plan::ComparedPoint>& point) {
        return point ? fmt::format("{:.4g}", point->value) : std::string("-");
    };
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto& row = compared.rows[i];
        text +=
            fmt::format("  {:<{}}  {:>8}  best {:>8}  {}{}  ({} of devices, {} of wall-clock)\n", runs[i].name, wide, value(row.atEqual),
                        value(row.best), row.reached ? "there after " + amount(*row.reached, equal) : std::string("not there yet"),
                        row.speedUp && i > 0 ? fmt::format(", {:.2f} times as fast", *row.speedUp) : "", durationOf(runs[i].spent.device),
                        durationOf(runs[i].spent.wall));
        Json told{{"run", runs[i].name},
                  {"device_seconds", runs[i].spent.device},
                  {"wall_seconds", runs[i].spent.wall},
                  {"borrows", runs[i].borrows},
                  {"at_equal", row.atEqual ? pointJson(*row.atEqual) : Json()},
                  {"best", row.best ? pointJson(*row.best) : Json()},
                  {"reached", row.reached ? Json(*row.reached) : Json()},
                  {"speed_up", row.speedUp ? Json(*row.speedUp) : Json()},
                  {"series", Json::array()}};
        for (const auto& series : runs[i].series) {
            Json points = Json::array();
            for (const auto& point : series.points)
                points.push_back(pointJson(point));
            told["series"].push_back({{"metric", series.metric}, {"recipe", series.recipe}, {"points", std::move(points)}});
        }
        rows.push_back(std::move(told));
    }
    for (const auto& run : runs)
        if (run.borrows)
            text += fmt::format("  {} begins with what other runs trained, and their time is not in it.\n", run.name);
    console.result({{"equal", plan::equalText(equal)},
                    {"metric", compared.metric},
                    {"recipe", compared.recipe},
                    {"at", compared.equal},
                    {"runs", std::move(rows)}},
                   text);
}

int compareRuns(const CompareOptions& options, Console& console)
{
    const auto equal = plan::equalFromText(options.equal);
    if (!equal)
        return console.fail({ErrorCode::Usage, fmt::format("--equal {}: known are device, wall and images.", options.equal), "equal"});
    std::vector<plan::ComparedRun> runs;
    for (const auto& typed : options.runs) {
        auto run = read(typed);
        if (!run)
            return console.fail(run.error());
        runs.push_back(*std::move(run));
    }
    if (options.csv) {
        const auto table = csvOf(runs);
        std::fwrite(table.data(), 1, table.size(), stdout);
        return 0;
    }
    const auto compared = plan::compare(runs, *equal);
    if (!compared)
        return console.fail(compared.error());
    tell(runs, *compared, *equal, console);
    return 0;
}

} // namespace

void addCompare(CLI::App& app, Program& program)
{
    auto options = std::make_shared<CompareOptions>();
    auto* command = addCommand(app, program, "compare", "Hold the results of runs against the first one's, at equal time or images",
                               [options, &program] { return compareRuns(*options, program.console); });
    command->add_option("runs", options->runs, "The runs: their folders, or their names in the library; the first is the baseline")
        ->required()
        ->expected(1, -1);
    command->add_option("--equal", options->equal,
                        "What is equal: wall (the clock on the wall while any part trained; the default), device (the time of all devices "
                        "together) or images");
    command->add_flag("--csv", options->csv, "Print every evaluation as CSV instead, with both times");
}

} // namespace espalier::cli
