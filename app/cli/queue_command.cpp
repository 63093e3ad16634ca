// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "core/base/text.h"
#include "core/machine/gpus.h"
#include "core/runs/lease.h"
#include "core/runs/queue.h"
#include "core/runs/queue_reasons.h"
#include "core/runs/run_folder.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

/// "GPU 1" of each UUID.
std::map<std::string, std::string> deviceNames()
{
    std::map<std::string, std::string> names;
    for (const auto& gpu : machine::Gpus().read())
        names[gpu.uuid] = fmt::format("GPU {}", gpu.index);
    return names;
}

/// What keeps a run waiting, for programs.
Json obstaclesOf(const runs::Waiting& waiting, const std::vector<runs::Ticket>& tickets, const std::map<std::string, std::string>& names)
{
    Json all = Json::array();
    for (const auto& obstacle : waiting.obstacles) {
        const auto name = names.find(obstacle.device);
        Json each{{"device", obstacle.device}, {"name", name == names.end() ? obstacle.device : name->second}, {"used_by", Json::array()}};
        for (const auto& run : obstacle.runs)
            each["used_by"].push_back(run.string());
        each["kept_for"] = obstacle.before ? Json(tickets[*obstacle.before].run.string()) : Json();
        all.push_back(std::move(each));
    }
    return all;
}

int listQueue(Console& console)
{
    const runs::Queue queue(runs::libraryFolder());
    const auto tickets = queue.tickets();
    if (!tickets)
        return console.fail(tickets.error());
    const auto names = tickets->empty() ? std::map<std::string, std::string>() : deviceNames();
    const auto waiting = runs::whyTheyWait(*tickets, runs::hostName());
    Json json = Json::array();
    std::string text;
    for (std::size_t i = 0; i < tickets->size(); ++i) {
        const auto& ticket = (*tickets)[i];
        const auto waited = durationText(std::chrono::duration<double>(std::max(0.0, runs::wallTime() - ticket.added)));
        json.push_back({{"place", i + 1},
                        {"run", ticket.run.string()},
                        {"id", ticket.id},
                        {"devices", ticket.asked},
                        {"waits_for", {{ticket.wish.anyOne ? "any_of" : "all_of", ticket.wish.devices}}},
                        {"why", runs::waitText(waiting[i], *tickets, ticket, names)},
                        {"obstacles", obstaclesOf(waiting[i], *tickets, names)},
                        {"host", ticket.host},
                        {"pid", ticket.pid},
                        {"added", ticket.added}});
        text += fmt::format("{}{:>3}  {:<32} devices {:<8} for {} on {}: {}", i == 0 ? "" : "\n", i + 1, ticket.run.filename().string(),
                            ticket.asked, waited, ticket.host, runs::waitText(waiting[i], *tickets, ticket, names));
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

int startTicket(const std::string& run, Console& console)
{
    const runs::Queue queue(runs::libraryFolder());
    const auto ticket = ticketOf(queue, run);
    if (!ticket)
        return console.fail(ticket.error());
    if (auto done = queue.startNow(ticket->id); !done)
        return console.fail(done.error());
    console.result({{"starting", ticket->run.string()}},
                   fmt::format("{} starts now, beside the runs that use its devices.", ticket->run.filename().string()));
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
    auto* start = command->add_subcommand("start", "Let a run wait no longer: it shares its devices with those that use them");
    for (auto* each : {list, move, remove, start})
        each->fallthrough(); // --json and --quiet stand where they like
    for (auto* each : {move, remove, start})
        each->add_option("run", options->run, "The run: its folder or its name")->required();
    move->add_option("--to", options->place, "The place, counted from 1")->check(CLI::PositiveNumber);
    // Callbacks of a command run after those of what stands below it.
    command->callback([&program, options, move, remove, start] {
        program.chosen = [&program, options, moving = move->parsed(), removing = remove->parsed(), starting = start->parsed()] {
            return moving     ? moveTicket(options->run, options->place, program.console)
                   : removing ? removeTicket(options->run, program.console)
                   : starting ? startTicket(options->run, program.console)
                              : listQueue(program.console);
        };
    });
}

} // namespace espalier::cli
