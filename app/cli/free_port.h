// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace espalier::cli {

/// A TCP port of the loopback that nobody listens on just now, for the workers' meeting point.
int freePort();

} // namespace espalier::cli
