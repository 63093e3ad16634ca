// SPDX-License-Identifier: Apache-2.0
#include "app/cli/ask_run.h"
#include "app/cli/command.h"
#include "core/runs/library.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace espalier::cli {

namespace {

struct ControlOptions {
    std::string run, action;
    bool wait = false;
};

int control(const ControlOptions& options, Console& console)
{
    const auto run = runs::findRun(options.run);
    if (!run)
        return console.fail(run.error());
    const auto kind = runs::wishFromText(options.action);
    if (!kind)
        return console.fail(
            {ErrorCode::Usage,
             fmt::format("\"{}\" is nothing to ask of a run. Known: pause, stop, checkpoint, sample, evaluate.", options.action),
             {}});
    const auto state = runs::summarize(run->root()).state;
    if (const auto may = runs::possible(runs::actionOf(*kind), state); !may)
        return console.fail({ErrorCode::Busy, fmt::format("{} ({}): {}", run->name(), runs::stateText(state), may.why), {}});
    if (!runs::isLive(state) && state != runs::RunState::Queued)
        return console.fail({ErrorCode::Busy,
                             fmt::format("{} is at rest ({}), so nobody is there to ask. Use: espalier-cli {} --checkpoint {}", run->name(),
                                         runs::stateText(state), options.action, run->root().string()),
                             {}});
    const bool ends = *kind == runs::WishKind::Pause || *kind == runs::WishKind::Stop;
    Signals signals;
    const auto asked = askRun(*run, *kind, Json::object(),
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
    command->add_option("action", options->action, "pause, stop, checkpoint, sample or evaluate")->required();
    command->add_flag("--wait", options->wait, "Wait for its answer; with pause and stop until it rests");
}

} // namespace espalier::cli
