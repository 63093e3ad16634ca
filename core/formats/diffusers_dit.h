// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/safetensors.h"

#include <cstdint>
#include <vector>

namespace espalier::formats {

/// A DiT's tensors as diffusers' DiTTransformer2DModel holds them: queries, keys and values apart, the embeddings of level and class once
/// in every block, no table of positions. `depth` blocks are there.
std::vector<SafetensorsItem> toDiffusersDit(std::vector<SafetensorsItem> items, std::int64_t depth);

} // namespace espalier::formats
