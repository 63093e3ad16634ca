// SPDX-License-Identifier: Apache-2.0
#include "app/cli/inspect.h"
#include "app/cli/job_options.h"
#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/base/text.h"
#include "core/plan/forecast.h"
#include "core/runs/follower.h"
#include "core/runs/metrics.h"

#include <fmt/format.h>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

std::uint64_t bytesBelow(const fs::path& folder)
{
    std::uint64_t bytes = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error), end; !error && at != end;
         at.increment(error)) {
        std::error_code gone;
        if (at->is_regular_file(gone))
            if (const auto size = at->file_size(gone); !gone)
                bytes += size;
    }
    return bytes;
}

/// Forecast and, once it is measured, actual cost of every stage.
void addPlan(const runs::RunFolder& run, Inspected& said)
{
    const auto text = readFile(run.planFile(), 16u << 20);
    if (!text)
        return; // it has not started yet
    const auto plan = plan::planFromText(*text);
    if (!plan) {
        said.json["plan_problem"] = plan.error().message;
        said.text += fmt::format("  plan.json: {}\n", plan.error().message);
        return;
    }
    said.json["stages"] = Json::array();
    for (const auto& stage : plan->stages) {
        const auto forecast = plan::forecast(stage);
        Json json{
            {"id", stage.id}, {"model", shapes::describe(stage.shape)}, {"parameters", forecast.parameters}, {"forecast", Json::object()}};
        if (forecast.steps)
            json["forecast"]["steps"] = *forecast.steps;
        if (forecast.images)
            json["forecast"]["images"] = *forecast.images;
        if (forecast.flops)
            json["forecast"]["flops"] = *forecast.flops;
        said.text += fmt::format("  {}: {}, {} parameters", stage.id, shapes::describe(stage.shape), groupedNumber(forecast.parameters));
        if (forecast.steps)
            said.text += fmt::format(", forecast {} steps", groupedNumber(*forecast.steps));
        if (forecast.flops)
            said.text += fmt::format(" and {:.3g} FLOP", *forecast.flops);
        const auto* measured = plan::findMeasurement(*plan, stage.id);
        if (measured && !measured->table.empty() && measured->table.front().size() >= 4) {
            const auto& row = measured->table.front();
            json["actual"] = {{"steps", row[0]}, {"images", row[1]}, {"seconds", row[2]}, {"flops", row[3]}};
            said.text +=
                fmt::format("; took {:.0f} steps, {}, {:.3g} FLOP", row[0], durationText(std::chrono::duration<double>(row[2])), row[3]);
        }
        said.text += '\n';
        said.json["stages"].push_back(std::move(json));
    }
}

} // namespace

Result<Inspected> inspectRun(const runs::RunFolder& run)
{
    runs::RunFollower follower(run.root());
    follower.poll();
    const auto& progress = follower.progress();
    Inspected said;
    const auto bytes = bytesBelow(run.root());
    said.json = {{"kind", "run"},
                 {"run", run.root().string()},
                 {"state", runs::stateText(follower.state())},
                 {"why", follower.why()},
                 {"step", progress.step},
                 {"of_steps", progress.ofSteps},
                 {"images", progress.images},
                 {"training_seconds", progress.seconds},
                 {"attempts", follower.attempt()},
                 {"bytes", bytes},
                 {"problem", follower.problem()},
                 {"checkpoints", Json::array()}};
    said.text = fmt::format("Run {}: {}{}{}\n  step {}{}, {} of training, {} on the disk\n", run.root().string(),
                            runs::stateText(follower.state()), follower.why().empty() ? "" : ", ", follower.why(),
                            groupedNumber(progress.step), progress.ofSteps > 0 ? " of " + groupedNumber(progress.ofSteps) : "",
                            durationText(std::chrono::duration<double>(progress.seconds)), bytesText(bytes));
    if (!follower.problem().empty())
        said.text += fmt::format("  damaged: {}\n", follower.problem());
    addPlan(run, said);
    for (const auto& each : follower.checkpoints()) {
        Json json{{"step", each.step},   {"stage", each.stage},     {"folder", each.folder},
                  {"bytes", each.bytes}, {"because", each.because}, {"kept", each.keptByHand}};
        said.text += fmt::format("  {} {} ({}){}", each.folder, bytesText(each.bytes), each.because, each.keptByHand ? ", kept" : "");
        if (each.metric) {
            json["metric"] = each.metric->value;
            said.text += fmt::format(", {} {:.4g}", runs::metricTitle(each.metric->metric), each.metric->value);
        }
        said.text += '\n';
        said.json["checkpoints"].push_back(std::move(json));
    }
    return said;
}

Result<Inspected> inspectCheckpoint(const fs::path& folder)
{
    const auto file = folder / "manifest.json";
    const auto text = readFile(file, 64u << 20);
    if (!text)
        return text.error();
    const auto manifest = parseJson(*text);
    if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_array())
        return Error{ErrorCode::Format, fmt::format("{} is no manifest of a checkpoint.", file.string()), {}};
    Inspected said;
    said.json = {{"kind", "checkpoint"}, {"folder", folder.string()}, {"files", Json::array()}};
    for (const char* key : {"counters", "made_on", "weights", "ema_decays"})
        if (manifest.contains(key))
            said.json[key] = manifest[key];
    said.text = fmt::format("Checkpoint {}\n", folder.string());
    for (const char* key : {"counters", "made_on", "weights"})
        if (manifest.contains(key))
            said.text += fmt::format("  {:<9} {}\n", key, manifest[key].dump(-1, ' ', false, Json::error_handler_t::replace));
    bool whole = true;
    for (const auto& each : manifest["files"]) {
        const auto name = textIn(each, "name"), hash = textIn(each, "sha256");
        if (name.empty() || fs::path(name).filename() != name)
            return Error{ErrorCode::Format, fmt::format("{} lists a file without a plain name.", file.string()), {}};
        const auto found = sha256OfFile(folder / name);
        const bool good = found && *found == hash;
        whole = whole && good;
        const std::string verdict = good ? "whole" : found ? "damaged: its SHA-256 is another" : found.error().message;
        said.json["files"].push_back({{"name", name}, {"bytes", numberIn(each, "bytes")}, {"whole", good}, {"verdict", verdict}});
        said.text += fmt::format("  {:<28} {:>10}  {}\n", name,
                                 bytesText(static_cast<std::uint64_t>(std::max(0.0, numberIn(each, "bytes")))), verdict);
    }
    said.json["whole"] = whole;
    return said;
}

} // namespace espalier::cli
