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
    ModelShape shape;   // side 0: weights do not say it; dropout 0
    std::string prefix; // what stands before our names in the file, such as "module."
};

/// Which model a set of tensors belongs to, by names and shapes alone and whatever their order. Every parameter must be there and
/// nothing else; the message says the first thing that is not as in any model we know.
Result<Recognised> recognise(std::span<const NamedShape> tensors);

} // namespace espalier::shapes
