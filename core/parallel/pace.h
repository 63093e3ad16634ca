// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace espalier::parallel {

/// How long this rank's own share of a step takes: what comes before it waits for the others. Ranks train in step, so their images per
/// second are equal; this is what tells a slow one. Nothing here waits for the device but take(). One thread.
class OwnTime {
public:
    explicit OwnTime(c10::Device device);
    ~OwnTime();
    OwnTime(const OwnTime&) = delete;
    OwnTime& operator=(const OwnTime&) = delete;

    void begin();
    void end();
    /// Seconds of a step: on a CPU the mean since the last call, on a GPU those of the last step. 0 when none was taken.
    double take();

private:
    struct Events;
    std::unique_ptr<Events> m_events; // of a GPU
    std::chrono::steady_clock::time_point m_begin{};
    double m_seconds = 0.0;
    int m_steps = 0;
};

/// Finds the rank that all others wait for, from the seconds that each took for itself. Pure but for what it said last.
class Stragglers {
public:
    static constexpr double kMuchSlower = 1.3; // times the median of the others
    static constexpr int kInARow = 3;          // reports, so that one hiccup is none

    /// One report, by rank. A sentence when a rank has just become a straggler; it is said once until another takes its place.
    std::optional<std::string> judge(const std::vector<double>& seconds);

private:
    int m_rank = -1, m_times = 0;
};

} // namespace espalier::parallel
