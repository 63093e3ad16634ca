// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/parallel/process_group.h"
#include "core/runs/run_writer.h"
#include "core/runs/worker_link.h"

#include <chrono>
#include <cstdint>
#include <vector>

namespace espalier::training {

/// Makes each element the largest over all ranks, which call it together.
void makeMaximum(parallel::ProcessGroup& group, std::vector<std::int64_t>& values);

/// Long work before a stage can train. A sign of life that says how far it is, once a second; every ten seconds it is a reason of the run's
/// state, which others can see.
class Waiting {
public:
    /// `step`: of the training that waits. `writer`: of rank 0, else null.
    Waiting(runs::WorkerLink& link, std::int64_t step, runs::RunWriter* writer) : m_link(link), m_step(step), m_writer(writer) {}
    void operator()(const char* what, std::int64_t done, std::int64_t of);

private:
    runs::WorkerLink& m_link;
    std::int64_t m_step;
    runs::RunWriter* m_writer;
    std::chrono::steady_clock::time_point m_last{}, m_lastState = std::chrono::steady_clock::now();
};

} // namespace espalier::training
