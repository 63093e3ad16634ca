// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/shapes/model_shape.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::shapes {

/// A part of a model and how many blocks it has: the U-Net has embed, in_conv, downsamples (a block per level), middle, upsamples
/// (a block per level) and out_conv; a DiT or ViT has embed (all that happens before the blocks, tables included), blocks and head (what
/// follows the blocks).
struct Part {
    std::string name;
    std::int64_t blocks = 1;
    bool operator==(const Part&) const = default;
};

/// Blocks [begin, end) of a part; the whole model when `part` is empty, to the last block when `end` is -1.
struct PartRange {
    std::string part;
    std::int64_t begin = 0, end = -1;
    bool operator==(const PartRange&) const = default;
};

/// Whether block `block` of part `part` lies in the range.
bool contains(const PartRange& range, const std::string& part, std::int64_t block);

std::vector<Part> partsOf(const ModelShape& shape);
/// Whether the range lies in the model; the message names its parts.
Result<Done> checkRange(const ModelShape& shape, const PartRange& range);
/// Names of the parameters in a range, in the order of the table. Each parameter is in exactly one block of one part.
std::vector<std::string> parametersOf(const ModelShape& shape, const PartRange& range);

Json toJson(const PartRange& range);
Result<PartRange> rangeFromJson(const Json& json);

} // namespace espalier::shapes
