// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/models/model.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::models {

/// First values of one parameter.
struct Initial {
    enum Kind { Constant, Uniform, Normal } kind = Constant;
    double value = 0; // the constant, the bound a of U(-a, a), or the standard deviation
};

/// A parameter and how it starts; `name` is that inside its module.
struct FirstValue {
    std::string name;
    at::Tensor parameter;
    Initial initial;
};

/// A module with parameters of its own that initialise() gives values to. What is not listed (a fixed table) has its values already.
class HasFirstValues {
public:
    virtual ~HasFirstValues() = default;
    virtual std::vector<FirstValue> firstValues() const = 0;
};

/// Xavier-uniform with gain sqrt(scale): U(-a, a) with a = sqrt(6 scale / (fan in + fan out)), fans with the area of the kernel.
Initial xavierUniform(at::IntArrayRef shape, double scale);

/// Gives every parameter its first values: a pure function of the seed and its published name, so any rank makes the same.
void initialise(Model& model, std::uint64_t seed);
/// The values that `initialise` would give a parameter of that name and shape, on the CPU.
at::Tensor initialValues(const std::string& name, at::IntArrayRef shape, const Initial& initial, std::uint64_t seed);

} // namespace espalier::models
