// SPDX-License-Identifier: Apache-2.0
#include "tests/support/golden.h"

#include <cmath>
#include <cstdlib>
#include <numeric>

namespace espalier::tests {

std::filesystem::path goldenFolder()
{
    const char* given = std::getenv("ESPALIER_GOLDEN");
    return given && *given ? std::filesystem::path(given) : std::filesystem::path(ESPALIER_SOURCE_DIR) / "tests" / "golden";
}

std::vector<double> goldenUniform(std::string_view name, std::size_t count)
{
    std::uint64_t hash = 14695981039346656037ull;
    for (const unsigned char byte : name)
        hash = (hash ^ byte) * 1099511628211ull;
    std::vector<double> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t z = hash + (i + 1) * 0x9E3779B97F4A7C15ull;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        z ^= z >> 31;
        values[i] = static_cast<double>(z >> 11) * 0x1p-52 - 1.0;
    }
    return values;
}

namespace {
std::size_t elements(const std::vector<std::int64_t>& shape)
{
    return static_cast<std::size_t>(std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
}
} // namespace

std::vector<float> goldenParameter(std::string_view name, const std::vector<std::int64_t>& shape)
{
    const auto u = goldenUniform(name, elements(shape));
    std::vector<float> values(u.size());
    const double fanIn = shape.size() < 2 ? 1.0 : static_cast<double>(elements({shape.begin() + 1, shape.end()}));
    for (std::size_t i = 0; i < u.size(); ++i) {
        const double v = shape.size() >= 2                                    ? u[i] * std::sqrt(3.0 / fanIn)
                         : name.find("running_var") != std::string_view::npos ? 1.0 + 0.5 * u[i]
                         : name.ends_with("weight")                           ? 1.0 + 0.1 * u[i]
                                                                              : 0.1 * u[i];
        values[i] = static_cast<float>(v);
    }
    return values;
}

std::vector<float> goldenInput(std::string_view name, const std::vector<std::int64_t>& shape)
{
    const auto u = goldenUniform(name, elements(shape));
    std::vector<float> values(u.size());
    for (std::size_t i = 0; i < u.size(); ++i)
        values[i] = static_cast<float>(u[i] * std::sqrt(3.0));
    return values;
}

} // namespace espalier::tests
