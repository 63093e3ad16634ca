// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/shapes/model_shape.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::shapes {

enum class Init { Xavier, Ones, Zeros, Normal };

struct Parameter {
    std::string name;
    std::vector<std::int64_t> shape;
    Init init = Init::Zeros;
    double bound = 0.0; // Xavier: values are uniform in [-bound, bound); Normal: their standard deviation
    std::string part;
    std::int64_t block = 0;

    std::int64_t elements() const;
};

/// Every parameter under its published name, in the published order of registration, with its published initialisation.
std::vector<Parameter> parameterTable(const ModelShape& shape);

std::int64_t parameterCount(const ModelShape& shape);

} // namespace espalier::shapes
