// SPDX-License-Identifier: Apache-2.0
#pragma once

// How values read in sentences and tables. Private to this folder.

#include "core/config/field.h"

#include <string>
#include <string_view>

namespace espalier::config {

/// Text of unknown origin for a sentence: at most some 80 bytes, cut between characters, bytes that are no UTF-8 shown as ?.
std::string shortText(std::string_view text);
/// The shortest text that reads back: "0.0002", "1e12", "50000".
std::string numberText(double value);
/// A value as it stands in a message or table: quoted text, lists as [1, 2], anything large shortened.
std::string valueText(const Json& value);
/// "from 0 to 1e12 steps", "of at least 0 s", or nothing.
std::string rangeText(const Field& field);

} // namespace espalier::config
