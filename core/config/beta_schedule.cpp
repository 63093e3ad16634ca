// SPDX-License-Identifier: Apache-2.0
#include "core/config/beta_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace espalier::config {

namespace {

using Table = std::vector<double>;

/// Both ends included; counted from the nearer end, as LibTorch does.
Table evenlySpaced(double first, double last, std::int64_t count)
{
    Table values(static_cast<std::size_t>(count));
    const double step = count > 1 ? (last - first) / static_cast<double>(count - 1) : 0.0;
    for (std::int64_t i = 0; i < count; ++i)
        values[static_cast<std::size_t>(i)] =
            i < count / 2 || count == 1 ? first + step * static_cast<double>(i) : last - step * static_cast<double>(count - 1 - i);
    return values;
}

} // namespace

Table betaSchedule(BetaSchedule schedule, double start, double end, std::int64_t timesteps)
{
    using enum BetaSchedule;
    const auto warmUp = [&](double share) {
        Table betas(static_cast<std::size_t>(timesteps), end);
        const auto rising = evenlySpaced(start, end, static_cast<std::int64_t>(share * static_cast<double>(timesteps)));
        std::copy(rising.begin(), rising.end(), betas.begin());
        return betas;
    };
    switch (schedule) {
    case Linear:
        return evenlySpaced(start, end, timesteps);
    case Quad: {
        Table betas = evenlySpaced(std::sqrt(start), std::sqrt(end), timesteps);
        for (double& beta : betas)
            beta *= beta;
        return betas;
    }
    case Warmup10:
        return warmUp(0.1);
    case Warmup50:
        return warmUp(0.5);
    case Const:
        return Table(static_cast<std::size_t>(timesteps), end);
    case Jsd: {
        Table betas = evenlySpaced(static_cast<double>(timesteps), 1.0, timesteps); // steps that are left
        for (double& beta : betas)
            beta = 1.0 / beta;
        return betas;
    }
    case Cosine: {
        const auto signal = [](double time) {
            const double c = std::cos((time + 0.008) / 1.008 * std::numbers::pi / 2);
            return c * c;
        };
        Table betas(static_cast<std::size_t>(timesteps));
        const auto levels = static_cast<double>(timesteps);
        for (std::size_t i = 0; i < betas.size(); ++i)
            betas[i] = std::min(1.0 - signal(static_cast<double>(i + 1) / levels) / signal(static_cast<double>(i) / levels), 0.999);
        return betas;
    }
    }
    return {}; // a value of the enumeration that has no name
}

} // namespace espalier::config
