// SPDX-License-Identifier: Apache-2.0
#pragma once

// Problems of a configuration as tests look at them.

#include "core/config/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace espalier::config {

/// The problems of `base` with `overlay` laid over, as "path: message" lines.
inline std::string problemsOf(const char* base, const char* overlay)
{
    std::string lines;
    for (const auto& problem : validate(merge(Json::parse(base), Json::parse(overlay))))
        lines += problem.path + ": " + problem.message + "\n";
    return lines;
}

/// There is exactly one, at `path`, and its sentence has `part`.
inline void expectProblem(const char* base, const char* overlay, const std::string& path, const std::string& part)
{
    const auto lines = problemsOf(base, overlay);
    EXPECT_TRUE(lines.starts_with(path + ": ")) << overlay << " gave:\n" << lines;
    EXPECT_NE(lines.find(part), std::string::npos) << overlay << " gave:\n" << lines;
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << overlay << " gave:\n" << lines;
}

} // namespace espalier::config
