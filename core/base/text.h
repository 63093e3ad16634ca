// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

/// "12 400" with thin spaces (U+2009) between groups of three digits.
std::string groupedNumber(std::int64_t value);
/// "2 h 11 m", "38 m", "12 s", "0.4 s".
std::string durationText(std::chrono::duration<double> time);
/// "61 GB", "35.7 MB": decimal SI units.
std::string bytesText(std::uint64_t bytes);
/// The entry of `known` nearest to `word` by edit distance, or "" when none is near: for "did you mean".
std::string nearestWord(std::string_view word, const std::vector<std::string>& known);
/// Bytes of the character at the start of `text`, 0 when it is no UTF-8 (overlong forms and surrogates are none).
std::size_t utf8Length(std::string_view text);
bool isUtf8(std::string_view text);

} // namespace espalier
