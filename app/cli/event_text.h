// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/runs/events.h"

#include <string>

namespace espalier::cli {

/// An event as a line for people: "21:04:07 checkpoint  step 100, 4.6 MB (interval)".
std::string eventText(const runs::Event& event);

} // namespace espalier::cli
