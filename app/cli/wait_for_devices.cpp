// SPDX-License-Identifier: Apache-2.0
#include "app/cli/wait_for_devices.h"

#include "app/cli/devices.h"
#include "core/config/devices.h"
#include "core/runs/control.h"
#include "core/runs/queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <poll.h>

namespace espalier::cli {

using namespace std::chrono_literals;

namespace {

constexpr auto kLook = 500ms;

/// What the others know a device by.
std::string lockName(const std::string& device)
{
    const auto uuid = gpuIdentity(device);
    return uuid.empty() ? device : uuid;
}

/// What a setting waits for, and which of our devices each of its names is.
struct Wanted {
    runs::DeviceWish wish;
    std::vector<std::string> devices; // of every name of the wish
};

Result<Wanted> wantedBy(std::string_view setting)
{
    const auto ask = config::parseDevices(setting);
    if (!ask)
        return ask.error();
    Wanted wanted;
    if (ask->kind == config::DeviceKind::Auto && gpuCount() > 0) {
        wanted.wish.anyOne = true;
        for (int i = 0; i < gpuCount(); ++i)
            wanted.devices.push_back(fmt::format("cuda:{}", i));
    } else {
        auto devices = devicesFor(setting);
        if (!devices)
            return devices.error();
        wanted.devices = *std::move(devices);
    }
    for (const auto& device : wanted.devices)
        wanted.wish.devices.push_back(lockName(device));
    return wanted;
}

std::filesystem::path absolute(const runs::RunFolder& run)
{
    std::error_code error;
    return std::filesystem::absolute(run.root(), error).lexically_normal();
}

std::string waitingText(const runs::Queue& queue, const std::string& id)
{
    const auto tickets = queue.tickets();
    if (!tickets)
        return "waiting for devices";
    const auto at = std::find_if(tickets->begin(), tickets->end(), [&](const auto& ticket) { return ticket.id == id; });
    return fmt::format("waiting for devices: place {} of {}", at - tickets->begin() + 1, tickets->size());
}

} // namespace

Result<DevicesTaken> waitForDevices(OwnedRun& run, std::string_view setting, Signals& signals, Console& console)
{
    const auto wanted = wantedBy(setting);
    if (!wanted)
        return wanted.error();
    runs::Queue queue(runs::libraryFolder());
    const auto ticket = queue.join(absolute(run.folder), std::string(setting), wanted->wish);
    if (!ticket)
        return ticket.error();
    (void)runs::takeWishes(run.folder); // of another life
    if (auto done = run.events.write(runs::StateChanged{runs::RunState::Queued, ""}); !done)
        return done.error();
    const auto leave = [&](const std::string& why) {
        (void)queue.remove(ticket->id);
        (void)run.events.write(runs::StateChanged{runs::RunState::Stopped, why});
        return Error{ErrorCode::Cancelled, why + " It can be resumed.", {}};
    };
    for (auto lastBeat = std::chrono::steady_clock::now();;) {
        auto turn = queue.tryStart(ticket->id);
        if (!turn)
            return leave(turn.error().message);
        if (turn->has_value()) {
            console.endProgress();
            if ((*turn)->devices().empty()) {
                auto devices = devicesFor(setting);
                return devices ? Result<DevicesTaken>(useDevices(run.folder, *std::move(devices), console))
                               : Result<DevicesTaken>(devices.error());
            }
            DevicesTaken taken{{}, **std::move(turn)};
            for (std::size_t i = 0; i < wanted->devices.size(); ++i) {
                const auto& names = taken.locks.devices();
                if (std::find(names.begin(), names.end(), wanted->wish.devices[i]) != names.end())
                    taken.devices.push_back(wanted->devices[i]);
            }
            taken.locks.sayWho(absolute(run.folder));
            return taken;
        }
        console.progress(waitingText(queue, ticket->id));
        pollfd asked{signals.fd(), POLLIN, 0};
        ::poll(&asked, 1, static_cast<int>(kLook.count()));
        signals.take();
        if (signals.asked() > 0)
            return leave("Taken out of the queue by a signal.");
        for (const auto& wish : runs::takeWishes(run.folder).wishes) {
            const bool ends = wish.kind == runs::WishKind::Stop || wish.kind == runs::WishKind::Pause;
            (void)run.events.write(runs::WishAnswered{wish.id, std::string(runs::wishText(wish.kind)),
                                                      ends ? "Taken out of the queue." : "The run waits for a device.", ends, -1});
            if (ends)
                return leave("Taken out of the queue.");
        }
        if (const auto now = std::chrono::steady_clock::now(); now - lastBeat >= 1s) {
            lastBeat = now;
            ++run.lease.counter;
            (void)runs::writeLease(run.folder, run.lease);
        }
    }
}

DevicesTaken useDevices(const runs::RunFolder& run, std::vector<std::string> devices, Console& console)
{
    std::vector<std::string> names;
    for (const auto& device : devices)
        names.push_back(lockName(device));
    auto locks = runs::DeviceLocks::take(names, runs::DeviceLocks::How::Shared);
    if (!locks && locks.error().code == ErrorCode::Busy)
        console.note(fmt::format("{} Both will be slower; --queue would wait for it.", locks.error().message));
    if (locks)
        locks->sayWho(absolute(run));
    return {std::move(devices), locks ? *std::move(locks) : runs::DeviceLocks()};
}

} // namespace espalier::cli
