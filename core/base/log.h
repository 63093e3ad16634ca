// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

namespace espalier {

enum class LogLevel { Debug, Info, Warning, Error };

/// Where messages go. Given down from main; core never prints. May be called from any thread: the function must take care of that.
using Log = std::function<void(LogLevel, std::string_view)>;

} // namespace espalier
