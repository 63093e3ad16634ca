// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/runs/device_locks.h"
#include "core/runs/queue.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace espalier::runs {

/// One device that a run of the queue cannot have yet.
struct Obstacle {
    std::string device;                      // as in the ticket: a UUID, or "cpu"
    std::vector<std::filesystem::path> runs; // that use it, as far as they said so
    std::optional<std::size_t> before;       // it is free, but this ticket, counted from 0, comes first
    bool operator==(const Obstacle&) const = default;
};

/// Why a ticket still waits.
struct Waiting {
    bool elsewhere = false;          // on another machine: only that one knows
    bool anyOne = false;             // one device without an obstacle would do
    std::vector<Obstacle> obstacles; // empty: it starts in a moment
    bool operator==(const Waiting&) const = default;
};

/// For each ticket, which must stand in the order of the queue. `host` is this machine; `use` tells who uses a device of it.
std::vector<Waiting> whyTheyWait(const std::vector<Ticket>& tickets, const std::string& host,
                                 const std::function<DeviceUse(const std::string&)>& use = useOf);

/// "GPU 1 is used by dit-a": one sentence, without a full stop. `names` are those of devices, for people.
std::string waitText(const Waiting& waiting, const std::vector<Ticket>& tickets, const Ticket& ticket,
                     const std::map<std::string, std::string>& names);
/// "GPU 0 and GPU 1", "any one of GPU 0 and GPU 1", "CPU".
std::string wishText(const DeviceWish& wish, const std::map<std::string, std::string>& names);

} // namespace espalier::runs
