// SPDX-License-Identifier: Apache-2.0
#include "app/cli/owned_run.h"

#include <chrono>

namespace espalier::cli {

using namespace std::chrono_literals;

Result<OwnedRun> OwnedRun::take(const runs::RunFolder& folder, Signals& signals)
{
    auto lock = runs::RunLock::acquire(folder, 10s, [&] {
        signals.take();
        return signals.asked() > 0;
    });
    if (!lock)
        return lock.error();
    auto lease = runs::ownLease();
    if (auto done = runs::writeLease(folder, lease); !done)
        return done.error();
    auto events = runs::EventLog::open(folder.eventsFile());
    if (!events)
        return events.error();
    return OwnedRun{folder, std::move(*lock), std::move(lease), std::move(*events)};
}

} // namespace espalier::cli
