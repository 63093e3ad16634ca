// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace espalier::tests {

/// tests/golden, or the folder that ESPALIER_GOLDEN names.
std::filesystem::path goldenFolder();

/// The fill of tests/golden/README.md: `count` doubles in [-1, 1), a function of the name alone.
std::vector<double> goldenUniform(std::string_view name, std::size_t count);
/// A parameter or buffer of that name and shape.
std::vector<float> goldenParameter(std::string_view name, const std::vector<std::int64_t>& shape);
/// An input tensor with unit variance; `name` as the golden file gives it, such as "input:x".
std::vector<float> goldenInput(std::string_view name, const std::vector<std::int64_t>& shape);

} // namespace espalier::tests

/// Skips the running test, visibly, when a golden file is not there.
#define ESPALIER_NEED_GOLDEN(file)                                                                                                         \
    if (!std::filesystem::exists(file))                                                                                                    \
    GTEST_SKIP() << "no golden file " << (file)
