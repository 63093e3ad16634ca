// SPDX-License-Identifier: Apache-2.0
#include "core/parallel/pace.h"

#include <ATen/cuda/CUDAEvent.h>
#include <fmt/format.h>

#include <algorithm>

namespace espalier::parallel {

// On the stream that computes: the second one is reached when the kernels of this rank are done, whatever other ranks do.
struct OwnTime::Events {
    at::cuda::CUDAEvent begin{cudaEventDefault}, end{cudaEventDefault};
};

OwnTime::OwnTime(c10::Device device)
{
    if (device.is_cuda())
        m_events = std::make_unique<Events>();
}

OwnTime::~OwnTime() = default;

void OwnTime::begin()
{
    if (m_events)
        m_events->begin.record();
    m_begin = std::chrono::steady_clock::now();
}

void OwnTime::end()
{
    if (m_events)
        m_events->end.record();
    m_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - m_begin).count();
    ++m_steps;
}

double OwnTime::take()
{
    const int steps = std::exchange(m_steps, 0);
    const double seconds = std::exchange(m_seconds, 0.0);
    if (steps == 0)
        return 0.0;
    if (!m_events)
        return seconds / steps;
    m_events->end.synchronize();
    return m_events->begin.elapsed_time(m_events->end) / 1000.0; // milliseconds
}

std::optional<std::string> Stragglers::judge(const std::vector<double>& seconds)
{
    if (seconds.size() < 2)
        return std::nullopt;
    const auto slowest = std::max_element(seconds.begin(), seconds.end());
    const int rank = static_cast<int>(slowest - seconds.begin());
    auto others = seconds;
    others.erase(others.begin() + rank);
    std::nth_element(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2), others.end());
    const double median = others[others.size() / 2];
    if (median <= 0.0 || *slowest < kMuchSlower * median) {
        m_times = 0;
        if (rank == m_rank && median > 0.0)
            m_rank = -1; // it has caught up
        return std::nullopt;
    }
    m_times = rank == m_rank ? m_times + 1 : 1;
    m_rank = rank;
    if (m_times != kInARow)
        return std::nullopt;
    return fmt::format(
        "Rank {} is {:.1f} times slower than the others: its own share of a step takes {:.3g} s, theirs {:.3g} s, and all wait for "
        "it. See what else runs on its machine and GPU, and how fast its disk is.",
        rank, *slowest / median, *slowest, median);
}

} // namespace espalier::parallel
