// SPDX-License-Identifier: Apache-2.0
#include "app/cli/ask_run.h"
#include "app/cli/command.h"
#include "app/cli/event_text.h"
#include "app/cli/progress_text.h"
#include "app/cli/scalars_table.h"
#include "core/base/text.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

namespace espalier::cli {

namespace {

struct FollowOptions {
    std::string run;
    std::vector<std::string> tags;
    bool csv = false;
};

void put(const std::string& text)
{
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

int printCsv(const FollowOptions& options, const runs::RunFolder& run, Console& console)
{
    runs::RunFollower follower(run.root());
    follower.poll();
    const auto table = scalarsCsv(follower, options.tags);
    if (!table)
        return console.fail(table.error());
    put(*table);
    return 0;
}

std::string progressText(const runs::RunFollower& follower)
{
    const auto& progress = follower.progress();
    auto text = fmt::format("{} at step {}", runs::stateText(follower.state()), groupedNumber(progress.step));
    if (progress.ofSteps > 0)
        text += fmt::format(" of {}", groupedNumber(progress.ofSteps));
    if (progress.imagesPerSecond > 0)
        text += fmt::format(", {:.3g} images/s", progress.imagesPerSecond);
    const bool beside = std::ranges::any_of(follower.branchStatus(), [](const auto& branch) { return runs::isLive(branch.state); });
    if (const auto* loss = follower.curve(runs::tags::kLoss); loss && !loss->empty() && !beside)
        text += fmt::format(", loss {:.4g}", loss->last().value);
    if (progress.etaSeconds)
        text += fmt::format(", {} to go", durationText(std::chrono::duration<double>(*progress.etaSeconds)));
    if (beside)
        text += " · " + branchesText(follower.branchStatus());
    return text;
}

/// What branches tell since the last time, each line with its name.
class BranchEvents {
public:
    void print(const runs::RunFollower& run, Console& console)
    {
        for (const auto& [name, branch] : run.branches()) {
            auto& told = m_told[name];
            const auto& events = branch.events();
            for (told = std::min(told, events.size()); told < events.size(); ++told) {
                console.endProgress();
                auto event = events[told];
                if (console.json)
                    event.fields["branch"] = name;
                put(console.json ? runs::eventLine(event) : fmt::format("{} {}\n", eventText(event), name));
            }
        }
    }

private:
    std::map<std::string, std::size_t> m_told;
};

int follow(const FollowOptions& options, Console& console)
{
    const auto run = runs::findRun(options.run);
    if (!run)
        return console.fail(run.error());
    if (options.csv)
        return printCsv(options, *run, console);
    Signals signals;
    runs::RunFollower follower(run->root());
    BranchEvents branches;
    for (bool first = true;; first = false) {
        const auto changes = follower.poll();
        for (const auto& event : changes.events) {
            console.endProgress();
            put(console.json ? runs::eventLine(event) : eventText(event) + "\n");
        }
        branches.print(follower, console);
        if (runs::isAtRest(follower.state()) && (!changes.any() || first))
            break;
        if (runs::isLive(follower.state()))
            console.progress(progressText(follower));
        if (!waitForRun(*run, signals))
            break;
    }
    console.endProgress();
    if (!console.json)
        console.note(progressText(follower));
    return 0;
}

} // namespace

void addFollow(CLI::App& app, Program& program)
{
    auto options = std::make_shared<FollowOptions>();
    auto* command = addCommand(app, program, "follow", "Show what a run does until it rests; with --json a line for each event",
                               [options, &program] { return follow(*options, program.console); });
    command->add_option("run", options->run, "The run: its folder, or its name in the library")->required();
    command->add_flag("--csv", options->csv, "Print its curves as CSV instead, a column for each tag");
    command->add_option("--tag", options->tags, "With --csv: only this tag, such as loss/train; may be given often");
}

} // namespace espalier::cli
