// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/console.h"
#include "app/cli/signals.h"
#include "core/base/json.h"
#include "core/base/result.h"
#include "core/runs/events.h"
#include "core/runs/rendezvous.h"

#include <functional>
#include <string>
#include <vector>

namespace espalier::cli {

struct Job {
    std::string name; // "sample", "evaluate", "export", "bench", "dry-run", "inspect"
    Json request = Json::object();
    std::vector<std::string> devices = {"cpu"};           // a worker for each: "cpu", "cuda:1"; several only where they can share it
    runs::Rendezvous place = {};                          // where this is one rank of several that were started one by one
    std::vector<int> inherit = {};                        // the lock of a run at rest
    std::function<void(const runs::Event&)> onEvent = {}; // events for that run
};

/// Hands a job to espalier-worker, on several devices to one for each, and waits for its result, showing its progress. The first signal
/// asks it to cancel, the second kills it. On a rank other than 0 the result is an empty object: rank 0 has it.
Result<Json> runJob(const Job& job, Signals& signals, Console& console);

} // namespace espalier::cli
