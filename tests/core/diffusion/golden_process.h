// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests over the golden files of diffusion share: both precisions, the processes they were made with, their tolerances.

#include "core/config/respacing.h"
#include "core/diffusion/process.h"
#include "tests/core/tensors/tensor_support.h"

#include <array>

namespace espalier::tests {

struct Width {
    at::ScalarType dtype;
    const char* suffix; // of tensors
    const char* name;   // of numbers
    bool isDouble() const { return dtype == at::kDouble; }
};
inline constexpr std::array<Width, 2> kWidths{{{at::kFloat, "", "float32"}, {at::kDouble, ".f64", "float64"}}};

/// The published linear schedule, whose ends are rescaled to as much noise in fewer levels.
inline diffusion::Process linearProcess(std::int64_t levels = 1000, config::VarType varType = config::VarType::LearnedRange,
                                        config::MeanType meanType = config::MeanType::Eps)
{
    const double scale = 1000.0 / static_cast<double>(levels);
    return {config::betaSchedule(config::BetaSchedule::Linear, scale * 1e-4, scale * 0.02, levels), meanType, varType};
}

inline std::vector<std::int64_t> levelsOf(const std::string& respacing, std::int64_t timesteps = 1000)
{
    auto levels = config::respacedLevels(respacing, timesteps);
    EXPECT_TRUE(levels) << respacing << (levels ? "" : levels.error().message);
    return levels ? *levels : std::vector<std::int64_t>{0};
}

inline at::Tensor doubles(const Json& list)
{
    return at::tensor(list.get<std::vector<double>>(), at::kDouble);
}

} // namespace espalier::tests
