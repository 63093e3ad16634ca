// SPDX-License-Identifier: Apache-2.0
#include "app/cli/inspect.h"
#include "app/cli/plan_text.h"
#include "app/cli/progress_text.h"
#include "app/cli/run_weights.h"
#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/runs/follower.h"
#include "core/runs/metrics.h"
#include "core/shapes/model_shape.h"
#include "core/shapes/parameters.h"

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

/// The stages with their costs and searches.
void addPlan(const runs::RunFolder& run, Inspected& said)
{
    std::error_code error;
    if (!fs::exists(run.planFile(), error))
        return; // it has not started yet
    const auto plan = planOf(run);
    if (!plan) {
        said.json["plan_problem"] = plan.error().message;
        said.text += fmt::format("  {}\n", plan.error().message);
        return;
    }
    const auto config = configOf(run);
    const auto known = config ? *config : config::RunConfig{}; // its damage is told already
    const auto spent = plan::spentOnSearching(*plan);
    said.json["searching_seconds"] = spent.seconds;
    said.json["searching_flops"] = spent.flops;
    said.json["stages"] = planDocument(*plan, known);
    if (auto side = sideBySideDocument(*plan, known); !side.is_null())
        said.json["side_by_side"] = std::move(side);
    said.text += planText(*plan, known);
}

/// Where a fork came from.
void addParent(const runs::RunFollower& follower, Inspected& said)
{
    for (const auto& event : follower.events())
        if (const auto forked = runs::eventAs<runs::Forked>(event)) {
            said.json["forked_from"] = event.fields;
            said.text += fmt::format("  goes on from {} at the end of stage {}, step {}\n", forked->name, forked->stage,
                                     groupedNumber(forked->step));
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
    addParent(follower, said);
    addPlan(run, said);
    if (const auto& branches = follower.branchStatus(); !branches.empty()) {
        said.json["branches"] = branchesDocument(branches);
        said.text += branchesTable(branches);
    }
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

namespace {

/// Which network a checkpoint is of, and which module of an assembled one was trained in it.
void addNetwork(const Json& manifest, Inspected& said)
{
    const auto about = manifest.find("about");
    if (about == manifest.end() || !about->is_object())
        return;
    if (const auto settings = about->find("config"); settings != about->end())
        if (const auto config = config::read(*settings)) {
            const auto shape = shapes::shapeOf(*config);
            said.json["model"] = {{"name", shapes::describe(shape)},
                                  {"kind", shapes::family(shape)},
                                  {"parameters", shapes::parameterCount(shape)},
                                  {"shape", shapes::toJson(shape)}};
            said.text +=
                fmt::format("  model     {}, {} parameters\n", shapes::describe(shape), groupedNumber(shapes::parameterCount(shape)));
        }
    const auto modules = about->find("assembling");
    if (modules == about->end() || !modules->is_object())
        return;
    said.json["assembling"] = *modules;
    const auto division = modules->find("division");
    if (division == modules->end() || !division->is_array())
        return;
    const auto module = numberIn(*modules, "module");
    const auto blocks = division->dump();
    said.text += module < 0 ? fmt::format("  modules   {} of {} blocks\n", division->size(), blocks)
                            : fmt::format("  module    {} of {} (counted from 0), inside a network whose modules have {} blocks\n", module,
                                          division->size(), blocks);
}

} // namespace

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
    addNetwork(manifest, said);
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
