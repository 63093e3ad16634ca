// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/machine/system_files.h"

#include <string>

namespace espalier::machine {

/// The name of this host; "localhost" when it has none.
std::string hostName();
/// Changes with every start of the machine; empty when the kernel does not say. Two processes with the same one share locks and process
/// ids.
std::string bootId(const SystemFiles& files = {});

} // namespace espalier::machine
