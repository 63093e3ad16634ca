// SPDX-License-Identifier: Apache-2.0
#include "app/cli/ask_run.h"
#include "app/cli/command.h"
#include "core/runs/branches.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace espalier::cli {

namespace {

struct ControlOptions {
    std::string run, action;
    std::optional<std::int64_t> module;
    bool wait = false;
};

/// Pause and start of one module where nobody trains: what is held is not trained when the run goes on.
int holdModule(const runs::RunFollower& follower, const ControlOptions& options, runs::WishKind kind, Console& console)
{
    const auto& run = follower.folder();
    const auto& branches = follower.branchStatus();
    const auto branch = std::ranges::find(branches, *options.module, &runs::BranchStatus::module);
    if (branch == branches.end())
        return console.fail(
            {ErrorCode::Usage, fmt::format("{} has no module {} that it trains beside others.", run.name(), *options.module), "module"});
    if (const auto may = runs::possible(runs::actionOf(kind), *branch, follower.state()); !may)
        return console.fail({ErrorCode::Busy, fmt::format("{}: {}", run.name(), may.why), {}});
    const bool held = kind == runs::WishKind::Pause;
    if (auto kept = runs::setHeld(run, branch->name, held); !kept)
        return console.fail(kept.error());
    console.result(
        {{"run", run.root().string()}, {"wish", options.action}, {"branch", branch->name}, {"held", held}},
        console.quiet ? ""
        : held        ? fmt::format("{} is held: it does not train when {} goes on.", branch->name, run.name())
                      : fmt::format("{} is no longer held. Go on with: espalier-cli train --resume {}", branch->name, run.root().string()));
    return 0;
}

int control(const ControlOptions& options, Console& console)
{
    const auto run = runs::findRun(options.run);
    if (!run)
        return console.fail(run.error());
    const auto kind = runs::wishFromText(options.action);
    if (!kind)
        return console.fail(
            {ErrorCode::Usage,
             fmt::format("\"{}\" is nothing to ask of a run. Known: pause, start, stop, checkpoint, sample, evaluate.", options.action),
             {}});
    const bool one = options.module.has_value();
    if (one != (*kind == runs::WishKind::Start) && *kind != runs::WishKind::Pause)
        return console.fail({ErrorCode::Usage,
                             one ? fmt::format("--module goes with pause and start; {} is asked of the whole run.", options.action)
                                 : fmt::format("Say which module: --module K. The run itself goes on with: espalier-cli train --resume {}",
                                               run->root().string()),
                             "module"});
    runs::RunFollower follower(run->root());
    follower.poll();
    const auto state = follower.state();
    if (one && !runs::isLive(state))
        return holdModule(follower, options, *kind, console);
    if (const auto may = runs::possible(runs::actionOf(*kind), state); !one && !may)
        return console.fail({ErrorCode::Busy, fmt::format("{} ({}): {}", run->name(), runs::stateText(state), may.why), {}});
    if (!runs::isLive(state) && state != runs::RunState::Queued)
        return console.fail({ErrorCode::Busy,
                             fmt::format("{} is at rest ({}), so nobody is there to ask. Use: espalier-cli {} --checkpoint {}", run->name(),
                                         runs::stateText(state), options.action, run->root().string()),
                             {}});
    const bool ends = !one && (*kind == runs::WishKind::Pause || *kind == runs::WishKind::Stop);
    Signals signals;
    const auto asked = askRun(*run, *kind, one ? Json{{"module", *options.module}} : Json::object(),
                              !options.wait ? Until::Sent
                              : ends        ? Until::AtRest
                                            : Until::Answered,
                              signals, console);
    if (!asked)
        return console.fail(asked.error());
    Json json{{"run", run->root().string()}, {"wish", options.action}, {"id", asked->id}, {"state", runs::stateText(asked->state)}};
    if (asked->answer)
        json["answer"] = {{"granted", asked->answer->granted}, {"answer", asked->answer->answer}, {"step", asked->answer->step}};
    console.result(json, console.quiet   ? std::string()
                         : asked->answer ? fmt::format("{}: {} ({})", run->name(), asked->answer->answer, runs::stateText(asked->state))
                                         : fmt::format("Asked {} to {}. espalier-cli follow {} shows what it does.", run->name(),
                                                       options.action, options.run));
    return 0;
}

} // namespace

void addControl(CLI::App& app, Program& program)
{
    auto options = std::make_shared<ControlOptions>();
    auto* command = addCommand(app, program, "control", "Ask something of a run that trains",
                               [options, &program] { return control(*options, program.console); });
    command->add_option("run", options->run, "The run: its folder, or its name in the library")->required();
    command->add_option("action", options->action, "pause, stop, checkpoint, sample or evaluate; with --module pause or start")->required();
    command->add_option("--module", options->module, "Only this module of those that train side by side, counted from 0")
        ->check(CLI::Range(0, 63));
    command->add_flag("--wait", options->wait, "Wait for its answer; with pause and stop until it rests");
}

} // namespace espalier::cli
