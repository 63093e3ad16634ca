// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tests of the LibTorch folders share: golden values as tensors, and comparisons that say where they failed.

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/tensors/tensor_files.h"
#include "tests/support/golden.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace espalier::tests {

inline at::Tensor tensorOf(const std::vector<float>& values, at::IntArrayRef shape)
{
    return at::tensor(values).view(shape).clone();
}
inline at::Tensor inputTensor(const std::string& name, const std::vector<std::int64_t>& shape)
{
    return tensorOf(goldenInput(name, shape), shape);
}

/// Gives a module's parameters the golden fill, by their names inside that module.
template <class Module>
void fillParameters(Module& module)
{
    const at::NoGradGuard guard;
    for (auto& item : module.named_parameters())
        item.value().copy_(tensorOf(goldenParameter(item.key(), item.value().sizes().vec()), item.value().sizes()));
}

inline Json readJson(const std::filesystem::path& file)
{
    const auto text = readFile(file);
    EXPECT_TRUE(text) << (text ? "" : text.error().message);
    return text ? Json::parse(*text) : Json();
}
inline tensors::TensorMap readGoldenTensors(const std::filesystem::path& file)
{
    auto read = tensors::readTensors(file);
    EXPECT_TRUE(read) << (read ? "" : read.error().message);
    return read ? *std::move(read) : tensors::TensorMap();
}

/// JSON has no infinity: golden files write it as text.
inline double numberOf(const Json& json)
{
    return json.is_string() ? std::stod(json.get<std::string>()) : json.get<double>();
}

/// |a - b| <= absolute + relative * |b| everywhere.
inline void expectClose(const at::Tensor& a, const at::Tensor& b, double absolute, double relative, const std::string& what)
{
    ASSERT_EQ(a.sizes(), b.sizes()) << what;
    const at::Tensor x = a.detach().to(at::kDouble).contiguous(), y = b.detach().to(at::kDouble).contiguous();
    const at::Tensor over = (x - y).abs() - (absolute + relative * y.abs());
    const at::Tensor bad = (over > 0).logical_or(over.isnan().logical_and(x.ne(y)));
    EXPECT_FALSE(bad.any().item<bool>()) << what << ": " << bad.sum().item<std::int64_t>() << " of " << x.numel()
                                         << " elements differ, at most by " << (x - y).abs().max().item<double>();
}

/// The statistics of golden files: sum, sum of absolutes, l2, largest absolute, first four. `entry` is relative to the largest.
inline void expectStatistics(const at::Tensor& tensor, const std::vector<double>& wanted, double relative, double entry,
                             const std::string& what)
{
    const at::Tensor d = tensor.detach().contiguous().to(at::kDouble).flatten();
    ASSERT_GE(wanted.size(), 4u) << what;
    EXPECT_NEAR(d.sum().item<double>(), wanted[0], relative * wanted[1]) << what << " sum";
    EXPECT_NEAR(d.abs().sum().item<double>(), wanted[1], relative * wanted[1]) << what << " sum of absolutes";
    EXPECT_NEAR(d.norm().item<double>(), wanted[2], relative * wanted[2]) << what << " l2";
    EXPECT_NEAR(d.abs().max().item<double>(), wanted[3], entry * wanted[3]) << what << " largest";
    for (std::size_t i = 4; i < wanted.size(); ++i)
        EXPECT_NEAR(d[static_cast<std::int64_t>(i) - 4].item<double>(), wanted[i], entry * wanted[3]) << what << " element " << i - 4;
}

} // namespace espalier::tests
