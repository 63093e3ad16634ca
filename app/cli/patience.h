// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace espalier::cli {

/// How long a worker or the supervisor of another rank may say nothing, how long a worker may take no step, and what it gets between
/// SIGTERM and SIGKILL.
struct Patience {
    std::chrono::seconds silence{30}, hang{600}, grace{5};

    /// As ESPALIER_SILENT_SECONDS, ESPALIER_HANG_SECONDS and ESPALIER_GRACE_SECONDS say.
    static Patience fromEnvironment();
    /// How often who may not be silent gives a sign of life: some four times before its silence is taken for its end.
    std::chrono::milliseconds beat() const;
};

} // namespace espalier::cli
