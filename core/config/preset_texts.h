// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

namespace espalier::config {

/// A file compiled into the program.
struct EmbeddedText {
    std::string_view id; // file name without extension
    std::string_view text;
};

/// resources/presets/*.json in the order of the form; made by packaging/cmake/EmbedTexts.cmake.
std::vector<EmbeddedText> presetTexts();

} // namespace espalier::config
