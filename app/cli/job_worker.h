// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/child.h"
#include "app/cli/run_job.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace espalier::cli {

/// One worker of a job, and what it has said. For a poll loop; one thread.
class JobWorker {
public:
    using Clock = std::chrono::steady_clock;

    /// `place`: its environment among the ranks.
    static Result<JobWorker> spawn(const Job& job, int rank, const std::string& device,
                                   std::vector<std::pair<std::string, std::string>> place, const Signals& signals);

    Child& child() { return m_child; }
    int rank() const { return m_rank; }
    /// Takes what it has said; what it shows of its progress goes to the console of rank 0's supervisor. True when it has ended just now.
    bool take(const Job& job, Console& console);

    const std::optional<Json>& result() const { return m_result; }
    const std::optional<Error>& failure() const { return m_failure; }
    const std::string& tail() const { return m_tail; } // what it printed last
    Clock::time_point lastWord() const { return m_lastWord; }
    /// Its end as a person would say it, where it gave neither result nor reason.
    Error whyEnded(const std::string& job, bool oomRose) const;

private:
    JobWorker(Child child, int rank) : m_child(std::move(child)), m_rank(rank) {}
    void hear(const Json& line, const Job& job, Console& console);

    Child m_child;
    int m_rank = 0;
    std::optional<Json> m_result;
    std::optional<Error> m_failure;
    std::string m_tail;
    Clock::time_point m_lastWord = Clock::now();
};

} // namespace espalier::cli
