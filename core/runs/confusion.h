// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::runs {

/// How often images of each class were taken for each class.
struct Confusion {
    std::vector<std::string> classes;
    std::vector<std::int64_t> counts; // [classes, classes]: rows are the true classes, columns the predicted ones

    std::int64_t at(std::size_t truth, std::size_t predicted) const { return counts[truth * classes.size() + predicted]; }
    bool operator==(const Confusion&) const = default;
};

/// A table with the predicted classes in its head and the true ones in its first column.
std::string confusionCsv(const Confusion& confusion);
/// Reads such a table. Errors do not name the file.
Result<Confusion> confusionFromCsv(std::string_view csv);

} // namespace espalier::runs
