// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/core/tensors/tensor_support.h"

#include <string>

namespace espalier::tests {

/// The float64 matrix of a recipe in golden/metrics: the steps run in this order. A list of rows stands for itself.
inline at::Tensor goldenMatrix(const Json& recipe)
{
    if (recipe.is_array()) {
        std::vector<double> values;
        for (const auto& row : recipe)
            for (const auto& value : row)
                values.push_back(value.get<double>());
        return at::tensor(values, at::kDouble).view({static_cast<std::int64_t>(recipe.size()), -1});
    }
    const std::int64_t rows = recipe.at("rows"), columns = recipe.at("cols");
    auto x = inputTensor(recipe.at("fill"), {rows, columns}).to(at::kDouble);
    if (recipe.contains("mix"))
        x = x.matmul(
            tensorOf(goldenParameter(recipe.at("mix").get<std::string>(), {columns, columns}), {columns, columns}).to(at::kDouble));
    x = x * recipe.value("scale", 1.0) + recipe.value("shift", 0.0);
    if (recipe.value("relu", false))
        x = x.relu();
    if (recipe.contains("halve_per_column"))
        x = x * at::exp2(at::arange(columns, at::kDouble) * -recipe.at("halve_per_column").get<double>());
    if (recipe.contains("zero_from_column"))
        x.slice(1, recipe.at("zero_from_column").get<std::int64_t>()).zero_();
    if (recipe.value("floor", false))
        x = x.floor();
    if (const auto repeat = recipe.value("repeat_first_rows", std::int64_t{0}))
        x.narrow(0, rows - repeat, repeat).copy_(x.narrow(0, 0, repeat).clone());
    return x;
}

} // namespace espalier::tests
