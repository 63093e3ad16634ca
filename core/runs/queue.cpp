// SPDX-License-Identifier: Apache-2.0
#include "core/runs/queue.h"

#include "core/base/descriptor.h"
#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/runs/lease.h"
#include "core/runs/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace espalier::runs {
namespace fs = std::filesystem;
namespace {

Json toJson(const Ticket& ticket)
{
    Json json{{"order", ticket.order},
              {"run", ticket.run.string()},
              {"devices", ticket.asked},
              {"id", ticket.id},
              {"waits_for", {{ticket.wish.anyOne ? "any_of" : "all_of", ticket.wish.devices}}},
              {"host", ticket.host},
              {"boot_id", ticket.bootId},
              {"pid", ticket.pid},
              {"start_ticks", ticket.startTicks},
              {"added", ticket.added}};
    if (ticket.now)
        json["now"] = true;
    return json;
}

/// Nothing when a field has another type.
std::optional<Ticket> ticketFrom(const Json& json)
{
    try {
        Ticket ticket;
        ticket.order = json.at("order").get<double>();
        ticket.run = json.at("run").get<std::string>();
        ticket.asked = json.at("devices").get<std::string>();
        ticket.id = json.at("id").get<std::string>();
        const auto& waits = json.at("waits_for");
        ticket.wish.anyOne = waits.contains("any_of");
        ticket.wish.devices = waits.at(ticket.wish.anyOne ? "any_of" : "all_of").get<std::vector<std::string>>();
        ticket.host = json.at("host").get<std::string>();
        ticket.bootId = json.at("boot_id").get<std::string>();
        ticket.pid = json.at("pid").get<std::int64_t>();
        ticket.startTicks = json.at("start_ticks").get<std::uint64_t>();
        ticket.added = json.value("added", 0.0);
        ticket.now = json.value("now", false);
        return ticket;
    } catch (const Json::exception&) {
        return std::nullopt;
    }
}

Result<std::vector<Ticket>> readTickets(const fs::path& file)
{
    std::error_code error;
    if (!fs::exists(file, error))
        return std::vector<Ticket>{};
    const auto text = readFile(file, 16 << 20);
    if (!text)
        return text.error();
    const auto damaged = [&] {
        return Error{
            ErrorCode::Format, fmt::format("{} is damaged. Remove it: the runs in it then have to be queued again.", file.string()), {}};
    };
    const auto json = parseJson(*text);
    if (!json.is_object() || !json.contains("tickets") || !json["tickets"].is_array())
        return damaged();
    std::vector<Ticket> tickets;
    for (const auto& each : json["tickets"]) {
        auto ticket = ticketFrom(each);
        if (!ticket)
            return damaged();
        tickets.push_back(*std::move(ticket));
    }
    std::stable_sort(tickets.begin(), tickets.end(), [](const Ticket& a, const Ticket& b) { return a.order < b.order; });
    return tickets;
}

/// Known to be gone: of this machine, and its process ended or the machine was started again.
bool isGone(const Ticket& ticket, const std::string& host, const std::string& boot)
{
    return ticket.host == host && (ticket.bootId != boot || startTicksOf(ticket.pid) != ticket.startTicks);
}

/// Takes what a ticket waits for, where it is free.
std::optional<DeviceLocks> takeFor(const DeviceWish& wish)
{
    if (!wish.anyOne) {
        auto locks = DeviceLocks::take(wish.devices, DeviceLocks::How::Alone);
        return locks ? std::optional(*std::move(locks)) : std::nullopt;
    }
    for (const auto& device : wish.devices)
        if (auto locks = DeviceLocks::take({device}, DeviceLocks::How::Alone))
            return *std::move(locks);
    return std::nullopt;
}

void number(std::vector<Ticket>& tickets)
{
    for (std::size_t i = 0; i < tickets.size(); ++i)
        tickets[i].order = static_cast<double>(i + 1);
}

} // namespace

/// `edit` says whether it changed anything.
Result<Done> Queue::change(const std::function<Result<bool>(std::vector<Ticket>&)>& edit) const
{
    std::error_code error;
    fs::create_directories(m_library, error);
    const auto lockFile = m_library / ".queue.lock";
    const Descriptor lock{::open(lockFile.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
    if (lock.fd < 0)
        return ioError("open", lockFile, errno);
    while (::flock(lock.fd, LOCK_EX) != 0) // nobody holds it for long
        if (errno != EINTR)
            return ioError("lock", lockFile, errno);
    auto tickets = readTickets(file());
    if (!tickets)
        return tickets.error();
    const auto host = hostName(), boot = bootId();
    bool changed = std::erase_if(*tickets, [&](const Ticket& ticket) { return isGone(ticket, host, boot); }) > 0;
    const auto edited = edit(*tickets);
    if (!edited)
        return edited.error();
    changed = changed || *edited;
    if (!changed)
        return Done{};
    Json json{{"version", 1}, {"tickets", Json::array()}};
    for (const auto& ticket : *tickets)
        json["tickets"].push_back(toJson(ticket));
    return writeFileAtomically(file(), json.dump(1) + "\n");
}

Result<std::vector<Ticket>> Queue::tickets() const
{
    std::vector<Ticket> all;
    std::error_code error;
    if (!fs::exists(file(), error))
        return all;
    if (auto done = change([&](std::vector<Ticket>& tickets) -> Result<bool> {
            all = tickets;
            return false;
        });
        !done)
        return done.error();
    return all;
}

Result<Ticket> Queue::join(const fs::path& run, const std::string& asked, DeviceWish wish)
{
    const auto own = ownLease();
    Ticket ticket{newRunId().substr(0, 12), 0.0, run, asked, std::move(wish), own.host, own.bootId, own.pid, own.startTicks, wallTime()};
    const auto done = change([&](std::vector<Ticket>& tickets) -> Result<bool> {
        ticket.order = tickets.empty() ? 1.0 : std::floor(tickets.back().order) + 1.0;
        tickets.push_back(ticket);
        return true;
    });
    return done ? Result<Ticket>(std::move(ticket)) : Result<Ticket>(done.error());
}

Result<std::optional<DeviceLocks>> Queue::tryStart(const std::string& id) const
{
    std::optional<DeviceLocks> mine;
    const auto host = hostName();
    const auto done = change([&](std::vector<Ticket>& tickets) -> Result<bool> {
        std::vector<DeviceLocks> ofOthers; // held until this look is over: whoever comes before and fits will take them
        for (auto at = tickets.begin(); at != tickets.end(); ++at) {
            if (at->id == id && at->now) {
                tickets.erase(at);
                mine.emplace();
                return true;
            }
            if (at->host != host)
                continue;
            auto locks = takeFor(at->wish);
            if (at->id == id) {
                if (locks)
                    tickets.erase(at);
                mine = std::move(locks);
                return mine.has_value();
            }
            if (locks)
                ofOthers.push_back(*std::move(locks));
        }
        return Error{ErrorCode::Cancelled, "The run was taken out of the queue.", {}};
    });
    return done ? Result<std::optional<DeviceLocks>>(std::move(mine)) : Result<std::optional<DeviceLocks>>(done.error());
}

namespace {

Result<bool> noTicket()
{
    return Error{ErrorCode::Usage, "That run does not wait any more.", {}};
}

} // namespace

Result<Done> Queue::startNow(const std::string& id) const
{
    return change([&](std::vector<Ticket>& tickets) -> Result<bool> {
        const auto at = std::find_if(tickets.begin(), tickets.end(), [&](const Ticket& ticket) { return ticket.id == id; });
        if (at == tickets.end())
            return noTicket();
        at->now = true;
        return true;
    });
}

Result<Done> Queue::move(const std::string& id, std::int64_t place) const
{
    return change([&](std::vector<Ticket>& tickets) -> Result<bool> {
        const auto at = std::find_if(tickets.begin(), tickets.end(), [&](const Ticket& ticket) { return ticket.id == id; });
        if (at == tickets.end())
            return noTicket();
        auto ticket = std::move(*at);
        tickets.erase(at);
        const auto last = static_cast<std::int64_t>(tickets.size()) + 1;
        tickets.insert(tickets.begin() + (std::clamp<std::int64_t>(place, 1, last) - 1), std::move(ticket));
        number(tickets);
        return true;
    });
}

Result<Done> Queue::remove(const std::string& id) const
{
    return change([&](std::vector<Ticket>& tickets) -> Result<bool> {
        return std::erase_if(tickets, [&](const Ticket& ticket) { return ticket.id == id; }) > 0;
    });
}

} // namespace espalier::runs
