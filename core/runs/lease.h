// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/runs/run_folder.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace espalier::runs {

/// lease.json: who supervises the run. The counter changes every second while they live; no clocks are compared.
struct Lease {
    std::string host, bootId, program;
    std::int64_t pid = 0;
    std::uint64_t startTicks = 0; // /proc/<pid>/stat field 22
    double started = 0.0;         // seconds since 1970, to read only
    std::uint64_t counter = 0;
};

std::string hostName();
std::string bootId();
/// When a process of this machine started, in clock ticks since boot: with the pid it names one process for ever. 0: there is none.
std::uint64_t startTicksOf(std::int64_t pid);
/// The lease of this process, counter 0.
Lease ownLease();
Result<Done> writeLease(const RunFolder& folder, const Lease& lease);
/// Nothing when there is none or it cannot be understood.
std::optional<Lease> readLease(const RunFolder& folder);

enum class Liveness { Alive, Dead, Unknown };

/// Says whether a run's supervisor lives: on this boot the lock decides; elsewhere the counter must change while we watch.
class LivenessProbe {
public:
    explicit LivenessProbe(RunFolder folder) : m_folder(std::move(folder)) {}
    Liveness probe(std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now());
    /// How long a foreign counter may stand still.
    static constexpr std::chrono::seconds kPatience{10};

private:
    RunFolder m_folder;
    std::optional<std::uint64_t> m_counter;
    std::chrono::steady_clock::time_point m_changed{};
    bool m_seenChange = false;
};

} // namespace espalier::runs
