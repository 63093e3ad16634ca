// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "core/base/text.h"
#include "core/runs/queue.h"
#include "core/runs/run_folder.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

int listQueue(Console& console)
{
    const runs::Queue queue(runs::libraryFolder());
    const auto tickets = queue.tickets();
    if (!tickets)
        return console.fail(tickets.error());
    Json json = Json::array();
    std::string text;
    for (std::size_t i = 0; i < tickets->size(); ++i) {
        const auto& ticket = (*tickets)[i];
        const auto waited = durationText(std::chrono::duration<double>(std::max(0.0, runs::wallTime() - ticket.added)));
        json.push_back({{"place", i + 1},
                        {"run", ticket.run.string()},
                        {"devices", ticket.asked},
                        {"host", ticket.host},
                        {"pid", ticket.pid},
                        {"added", ticket.added}});
        text += fmt::format("{}{:>3}  {:<32} devices {:<8} for {} on {}", i == 0 ? "" : "\n", i + 1, ticket.run.filename().string(),
                            ticket.asked, waited, ticket.host);
    }
    console.result({{"file", queue.file().string()}, {"queue", json}},
                   tickets->empty() ? "Nobody waits. espalier-cli train --queue … waits until its devices are free." : text);
    return 0;
}

/// The ticket of a run as typed: its folder or its name.
Result<runs::Ticket> ticketOf(const runs::Queue& queue, const std::string& typed)
{
    const auto tickets = queue.tickets();
    if (!tickets)
        return tickets.error();
    std::error_code error;
    const auto path = fs::absolute(typed, error).lexically_normal();
    for (const auto& ticket : *tickets)
        if (ticket.run.lexically_normal() == path || ticket.run.filename() == fs::path(typed))
            return ticket;
    return Error{ErrorCode::Usage, fmt::format("No run {} waits in the queue. espalier-cli queue lists those that do.", typed), {}};
}

int moveTicket(const std::string& run, std::int64_t place, Console& console)
{
    const runs::Queue queue(runs::libraryFolder());
    const auto ticket = ticketOf(queue, run);
    if (!ticket)
        return console.fail(ticket.error());
    if (auto done = queue.move(ticket->id, place); !done)
        return console.fail(done.error());
    return listQueue(console);
}

int removeTicket(const std::string& run, Console& console)
{
    const runs::Queue queue(runs::libraryFolder());
    const auto ticket = ticketOf(queue, run);
    if (!ticket)
        return console.fail(ticket.error());
    if (auto done = queue.remove(ticket->id); !done)
        return console.fail(done.error());
    console.result({{"removed", ticket->run.string()}},
                   fmt::format("Took {} out of the queue. Nothing of it is lost.", ticket->run.filename().string()));
    return 0;
}

} // namespace

void addQueue(CLI::App& app, Program& program)
{
    struct Options {
        std::string run;
        std::int64_t place = 1;
    };
    auto options = std::make_shared<Options>();
    auto* command = addCommand(app, program, "queue", "List the runs that wait for devices, and change their order",
                               [&program] { return listQueue(program.console); });
    command->require_subcommand(0, 1);
    auto* list = command->add_subcommand("list", "List them; so does queue alone");
    auto* move = command->add_subcommand("move", "Give a run another place");
    auto* remove = command->add_subcommand("remove", "Take a run out: it does not start");
    for (auto* each : {list, move, remove})
        each->fallthrough(); // --json and --quiet stand where they like
    for (auto* each : {move, remove})
        each->add_option("run", options->run, "The run: its folder or its name")->required();
    move->add_option("--to", options->place, "The place, counted from 1")->check(CLI::PositiveNumber);
    // Callbacks of a command run after those of what stands below it.
    command->callback([&program, options, move, remove] {
        program.chosen = [&program, options, moving = move->parsed(), removing = remove->parsed()] {
            return moving     ? moveTicket(options->run, options->place, program.console)
                   : removing ? removeTicket(options->run, program.console)
                              : listQueue(program.console);
        };
    });
}

} // namespace espalier::cli
