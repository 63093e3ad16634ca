// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"

#include <string_view>

namespace espalier {

/// Parses what may come from anybody; `is_discarded()` when it is no JSON. So is what is nested deeper than any file of ours: parsing that
/// would go well, but copying and writing such a value recurses once a level and ends the process.
Json parseJson(std::string_view text);

} // namespace espalier
