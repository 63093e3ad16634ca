// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::formats {

enum class MatKind { Numbers, Text, Cells, Structs, Other };

/// A MATLAB array. Elements lie in the order of the file: the first index runs fastest.
struct MatValue {
    MatKind kind = MatKind::Other; // Other: sparse arrays, objects, functions, of which nothing is kept
    std::vector<std::int64_t> shape;
    std::vector<double> numbers;     // Numbers: one for each element, the real part of complex ones
    std::string text;                // Text: UTF-8, rows one after the other
    std::vector<std::string> fields; // Structs: their names
    std::vector<MatValue> items;     // Cells: one for each element; Structs: all fields of the first element, then of the next

    std::int64_t size() const;
    /// A field of an element of Structs; nullptr when there is none.
    const MatValue* field(std::int64_t element, std::string_view name) const;
};

/// The variables of a MATLAB file of level 5 (versions 5 to 7), of either byte order, compressed or not. Nothing in it is run.
struct MatFile {
    std::map<std::string, MatValue, std::less<>> variables;

    /// `name` is named in errors. What would take more than some hundred megabytes is refused before it is allocated.
    static Result<MatFile> parse(std::span<const std::byte> file, std::string_view name);
    const MatValue* find(std::string_view variable) const;
};

} // namespace espalier::formats
