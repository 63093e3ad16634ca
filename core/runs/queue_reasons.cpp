// SPDX-License-Identifier: Apache-2.0
#include "core/runs/queue_reasons.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace espalier::runs {
namespace {

std::vector<std::string> distinct(const std::vector<std::string>& devices)
{
    std::vector<std::string> each; // in the order given
    for (const auto& device : devices)
        if (std::find(each.begin(), each.end(), device) == each.end())
            each.push_back(device);
    return each;
}

std::string joined(const std::vector<std::string>& words)
{
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i)
        text += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
    return text;
}

std::string nameOf(const std::string& device, const std::map<std::string, std::string>& names)
{
    if (const auto at = names.find(device); at != names.end())
        return at->second;
    return device == "cpu" ? "the CPU" : device;
}

std::string runName(const std::filesystem::path& run)
{
    return run.filename().string();
}

} // namespace

std::vector<Waiting> whyTheyWait(const std::vector<Ticket>& tickets, const std::string& host,
                                 const std::function<DeviceUse(const std::string&)>& use)
{
    std::map<std::string, DeviceUse> uses; // asked once each
    std::map<std::string, std::size_t> promised;
    std::vector<Waiting> all;
    for (std::size_t at = 0; at < tickets.size(); ++at) {
        const auto& ticket = tickets[at];
        Waiting waiting{ticket.host != host, ticket.wish.anyOne, {}};
        std::vector<std::string> free;
        for (const auto& device : waiting.elsewhere ? std::vector<std::string>{} : distinct(ticket.wish.devices)) {
            auto known = uses.find(device);
            if (known == uses.end())
                known = uses.emplace(device, use(device)).first;
            if (known->second.inUse)
                waiting.obstacles.push_back({device, known->second.runs, std::nullopt});
            else if (const auto first = promised.find(device); first != promised.end())
                waiting.obstacles.push_back({device, {}, first->second});
            else
                free.push_back(device);
        }
        // The same choice that the waiting processes make: the first that fits takes what it needs.
        if (ticket.wish.anyOne && !free.empty()) {
            free.resize(1);
            waiting.obstacles.clear();
        }
        if (waiting.obstacles.empty())
            for (const auto& device : free)
                promised.emplace(device, at);
        all.push_back(std::move(waiting));
    }
    return all;
}

std::string waitText(const Waiting& waiting, const std::vector<Ticket>& tickets, const Ticket& ticket,
                     const std::map<std::string, std::string>& names)
{
    if (ticket.now)
        return "starts now, beside the runs that use its devices";
    if (waiting.elsewhere)
        return fmt::format("waits on {} for a device there", ticket.host);
    if (waiting.obstacles.empty())
        return "starts in a moment: its devices are free";
    std::vector<std::string> parts;
    for (const auto& obstacle : waiting.obstacles) {
        const auto device = nameOf(obstacle.device, names);
        if (obstacle.before && *obstacle.before < tickets.size()) {
            parts.push_back(fmt::format("{} is kept for {}, which comes first", device, runName(tickets[*obstacle.before].run)));
            continue;
        }
        std::vector<std::string> users;
        std::transform(obstacle.runs.begin(), obstacle.runs.end(), std::back_inserter(users), runName);
        parts.push_back(users.empty() ? fmt::format("{} is used by another run", device)
                                      : fmt::format("{} is used by {}", device, joined(users)));
    }
    std::string text;
    for (const auto& part : parts)
        text += (text.empty() ? "" : "; ") + part;
    return text;
}

std::string wishText(const DeviceWish& wish, const std::map<std::string, std::string>& names)
{
    std::vector<std::string> devices;
    for (const auto& device : distinct(wish.devices))
        devices.push_back(nameOf(device, names));
    return (wish.anyOne && devices.size() > 1 ? "any one of " : "") + joined(devices);
}

} // namespace espalier::runs
