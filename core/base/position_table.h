// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace espalier {

/// DiT's fixed table of positions, [grid * grid, width] in rows, width a multiple of 4: sines and cosines of the column, then of the row,
/// at the raw places 0, 1, 2 … whatever the grid. Computed in double, as published.
inline std::vector<float> positionTable(std::int64_t width, std::int64_t grid)
{
    const std::int64_t quarter = width / 4;
    std::vector<float> table(static_cast<std::size_t>(grid * grid * width));
    float* out = table.data();
    for (std::int64_t token = 0; token < grid * grid; ++token) {
        for (const std::int64_t position : {token % grid, token / grid}) {
            for (std::int64_t i = 0; i < quarter; ++i) {
                const double angle =
                    static_cast<double>(position) / std::pow(10000.0, static_cast<double>(i) / static_cast<double>(quarter));
                out[i] = static_cast<float>(std::sin(angle));
                out[quarter + i] = static_cast<float>(std::cos(angle));
            }
            out += 2 * quarter;
        }
    }
    return table;
}

} // namespace espalier
