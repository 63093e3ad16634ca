// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/shapes/model_shape.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::shapes {

enum class Init {
    Xavier,  // uniform in [-bound, bound), the bound from the fans
    Uniform, // uniform in [-bound, bound)
    Normal,  // bound is the standard deviation
    Ones,
    Zeros,
    Fixed, // computed, not drawn, and never trained
};

struct Parameter {
    std::string name;
    std::vector<std::int64_t> shape;
    Init init = Init::Zeros;
    double bound = 0.0;
    std::string part;
    std::int64_t block = 0;
    bool trained = true;

    std::int64_t elements() const;
};

/// Every parameter under its published name, in the published order of registration, with its published initialisation.
std::vector<Parameter> parameterTable(const ModelShape& shape);

std::int64_t parameterCount(const ModelShape& shape);
/// Without those that are never trained.
std::int64_t trainedCount(const ModelShape& shape);

} // namespace espalier::shapes
