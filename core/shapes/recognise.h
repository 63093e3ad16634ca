// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/shapes/model_shape.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace espalier::shapes {

struct NamedShape {
    std::string name;
    std::vector<std::int64_t> shape;
};

struct Recognised {
    ModelShape shape;                 // side 0 for a U-Net: weights do not say it; dropout 0
    std::string prefix;               // what stands before our names in the file, such as "module."
    std::vector<std::string> assumed; // settings that weights do not say, set as in the published model of that width
};

/// Which model a set of tensors belongs to, by names and shapes alone and whatever their order. Every parameter must be there and
/// nothing else; the message names the first tensors that are not as in the nearest model we know, and says how many more there are.
Result<Recognised> recognise(std::span<const NamedShape> tensors);

/// Whether tensors are exactly those of a model. If not, the message says which model `file` holds and which was expected, or names the
/// tensors that do not fit. A prefix "module." counts for nothing.
Result<Done> checkBelongs(const ModelShape& expected, std::span<const NamedShape> tensors, const std::string& file);

} // namespace espalier::shapes
