// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs that wait for devices. There is no daemon: each waits as a process of its own (espalier-cli train --queue) and looks, twice a
// second, whether it is its turn. queue.json in the library says in which order; the locks of the devices say which are free.

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/runs/device_locks.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace espalier::runs {

/// What a run waits for: all of `devices`, or any one of them.
struct DeviceWish {
    std::vector<std::string> devices; // UUIDs of GPUs, or "cpu"
    bool anyOne = false;
};

/// One line of queue.json.
struct Ticket {
    std::string id;
    double order = 0.0; // whoever has the lowest goes first
    std::filesystem::path run;
    std::string asked; // the setting `devices`, for people
    DeviceWish wish;
    std::string host, bootId; // of the process that waits
    std::int64_t pid = 0;
    std::uint64_t startTicks = 0;
    double added = 0.0; // seconds since 1970
    bool now = false;   // somebody asked for it to start beside the runs that use its devices
};

/// The queue of a library. Every method takes the queue's lock for a moment and drops the tickets of processes that are gone. Any process.
class Queue {
public:
    explicit Queue(std::filesystem::path library) : m_library(std::move(library)) {}
    std::filesystem::path file() const { return m_library / "queue.json"; }

    /// By order. A file that cannot be understood is an error that names it.
    Result<std::vector<Ticket>> tickets() const;
    /// Puts this process at the end and gives its ticket.
    Result<Ticket> join(const std::filesystem::path& run, const std::string& asked, DeviceWish wish);
    /// What a ticket's process asks again and again. Locks: it is its turn, its devices are taken and the ticket is gone. Nothing: wait on.
    /// A Cancelled error: somebody took the ticket out. Locks without devices: it is to start beside others, and takes none.
    Result<std::optional<DeviceLocks>> tryStart(const std::string& id) const;
    /// To that place, counted from 1; further back than the last: to the end.
    Result<Done> move(const std::string& id, std::int64_t place) const;
    /// Its process is to wait no longer, whoever uses its devices.
    Result<Done> startNow(const std::string& id) const;
    /// No error when it is not there any more.
    Result<Done> remove(const std::string& id) const;

private:
    Result<Done> change(const std::function<Result<bool>(std::vector<Ticket>&)>& edit) const;
    std::filesystem::path m_library;
};

} // namespace espalier::runs
