// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/data_config.h"

#include <cstdint>

namespace espalier::config {

/// The same images at another side. What counts pixels, the edges of padded crops, keeps its share of the image; all else is relative.
DataConfig atSide(DataConfig data, std::int64_t side);

} // namespace espalier::config
