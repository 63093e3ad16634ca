// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/signals.h"
#include "core/runs/events.h"
#include "core/runs/lease.h"
#include "core/runs/lock.h"
#include "core/runs/run_folder.h"

namespace espalier::cli {

/// A run folder that is ours: locked, with a living lease and the pen of events.jsonl.
struct OwnedRun {
    runs::RunFolder folder;
    runs::RunLock lock;
    runs::Lease lease;
    runs::EventLog events;

    /// Waits up to ten seconds for the lock (less when asked to stop).
    static Result<OwnedRun> take(const runs::RunFolder& folder, Signals& signals);
};

} // namespace espalier::cli
