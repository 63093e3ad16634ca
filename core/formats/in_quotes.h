// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace espalier::formats {

/// A name out of a file, fit for a sentence: in quotes, without control characters, at most some 80 bytes.
inline std::string inQuotes(std::string_view name)
{
    constexpr std::size_t kLongest = 80;
    std::string text = "\"";
    std::size_t taken = std::min(name.size(), kLongest);
    while (taken < name.size() && taken > 0 && (static_cast<unsigned char>(name[taken]) & 0xC0u) == 0x80u)
        --taken; // not in the middle of a UTF-8 sequence
    for (const char c : name.substr(0, taken))
        text += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    return text + (taken < name.size() ? "…\"" : "\"");
}

} // namespace espalier::formats
