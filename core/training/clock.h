// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace espalier::training {

/// What the wall-clock time of a run was spent on. Only training counts towards a limit in seconds and towards comparisons.
enum class Activity { Training, Sampling, Evaluating, Saving, Searching, Encoding };

/// Adds up seconds per activity. Values live in manifests alone: work done twice after a kill counts once.
class Clock {
public:
    static constexpr std::size_t kActivities = 6;

    /// From now on time belongs to `activity`.
    void turnTo(Activity activity)
    {
        const auto now = std::chrono::steady_clock::now();
        if (m_running)
            m_seconds[static_cast<std::size_t>(m_activity)] += std::chrono::duration<double>(now - m_since).count();
        m_since = now;
        m_activity = activity;
        m_running = true;
    }
    void pause()
    {
        turnTo(m_activity);
        m_running = false;
    }
    double seconds(Activity activity) const
    {
        double total = m_seconds[static_cast<std::size_t>(activity)];
        if (m_running && activity == m_activity)
            total += std::chrono::duration<double>(std::chrono::steady_clock::now() - m_since).count();
        return total;
    }

    /// So many seconds so far, whatever was counted: a branch begins with what came before it.
    void set(Activity activity, double seconds)
    {
        pause();
        m_seconds[static_cast<std::size_t>(activity)] = seconds;
    }
    /// Time that is known from elsewhere: at least so much.
    void raise(Activity activity, double seconds)
    {
        auto& known = m_seconds[static_cast<std::size_t>(activity)];
        known = std::max(known, seconds);
    }

    Json toJson() const
    {
        return {{"training_seconds", seconds(Activity::Training)},     {"sampling_seconds", seconds(Activity::Sampling)},
                {"evaluating_seconds", seconds(Activity::Evaluating)}, {"saving_seconds", seconds(Activity::Saving)},
                {"searching_seconds", seconds(Activity::Searching)},   {"encoding_seconds", seconds(Activity::Encoding)}};
    }
    /// Missing or odd values count as 0: time is not what a resume may fail on.
    void restore(const Json& json)
    {
        static constexpr const char* kKeys[] = {"training_seconds", "sampling_seconds",  "evaluating_seconds",
                                                "saving_seconds",   "searching_seconds", "encoding_seconds"};
        for (std::size_t i = 0; i < kActivities; ++i)
            if (json.is_object() && json.contains(kKeys[i]) && json[kKeys[i]].is_number())
                m_seconds[i] = json[kKeys[i]].get<double>();
    }

private:
    std::array<double, kActivities> m_seconds{};
    Activity m_activity = Activity::Training;
    bool m_running = false;
    std::chrono::steady_clock::time_point m_since{};
};

/// Spends the time of a scope on another activity.
class ClockScope {
public:
    ClockScope(Clock& clock, Activity activity) : m_clock(clock) { m_clock.turnTo(activity); }
    ~ClockScope() { m_clock.turnTo(Activity::Training); }
    ClockScope(const ClockScope&) = delete;
    ClockScope& operator=(const ClockScope&) = delete;

private:
    Clock& m_clock;
};

} // namespace espalier::training
