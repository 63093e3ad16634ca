// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/core/tensors/tensor_support.h"

namespace espalier::tests {

/// {"shape", "sum", "abs_sum", "l2", "first4"} of a tensor. Sums that cancel are compared by how much is summed up.
inline void expectSums(const at::Tensor& tensor, const Json& wanted, const std::string& what)
{
    const at::Tensor d = tensor.detach().contiguous().to(at::kDouble).flatten();
    ASSERT_EQ(tensor.sizes().vec(), wanted.at("shape").get<std::vector<std::int64_t>>()) << what;
    const double absolute = wanted.at("abs_sum"), l2 = wanted.at("l2");
    EXPECT_NEAR(d.sum().item<double>(), wanted.at("sum").get<double>(), 1e-4 * absolute) << what;
    EXPECT_NEAR(d.abs().sum().item<double>(), absolute, 1e-4 * absolute) << what;
    EXPECT_NEAR(d.norm().item<double>(), l2, 1e-4 * l2) << what;
    for (std::size_t i = 0; i < wanted.at("first4").size(); ++i) {
        const double element = wanted.at("first4")[i];
        EXPECT_NEAR(d[static_cast<std::int64_t>(i)].item<double>(), element, 1e-4 * std::abs(element) + 2e-5 * l2) << what << " " << i;
    }
}

} // namespace espalier::tests
