// SPDX-License-Identifier: Apache-2.0
#include "app/cli/patience.h"

#include "core/runs/worker_link.h"

#include <algorithm>

namespace espalier::cli {

using namespace std::chrono_literals;

Patience Patience::fromEnvironment()
{
    const Patience usual;
    return {runs::environment::seconds(runs::environment::kSilentSeconds, usual.silence),
            runs::environment::seconds(runs::environment::kHangSeconds, usual.hang),
            runs::environment::seconds(runs::environment::kGraceSeconds, usual.grace)};
}

std::chrono::milliseconds Patience::beat() const
{
    return std::clamp<std::chrono::milliseconds>(std::chrono::milliseconds(silence) / 4, 100ms, 1s);
}

} // namespace espalier::cli
