// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace espalier::formats {

/// The one spelling ("builtins.set", "torch.FloatStorage") of a class or function that files of weights and CIFAR's batches need;
/// "" for everything else, which is refused.
std::string_view knownGlobal(std::string_view module, std::string_view name);

} // namespace espalier::formats
