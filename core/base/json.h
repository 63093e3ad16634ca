// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

namespace espalier {

/// JSON that keeps the order in which keys were written, so that files read as their author meant them.
using Json = nlohmann::ordered_json;

} // namespace espalier
