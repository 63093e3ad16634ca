// SPDX-License-Identifier: Apache-2.0
#include "core/config/data_side.h"

#include <algorithm>

namespace espalier::config {

DataConfig atSide(DataConfig data, std::int64_t side)
{
    auto& padding = data.augment.padding;
    padding = std::max<std::int64_t>(1, (2 * padding * side + data.side) / (2 * data.side));
    data.side = side;
    return data;
}

} // namespace espalier::config
