// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/run_job.h"

namespace espalier::cli {

/// A job on several devices: one worker for each of job.devices, or, where job.place says that this is one rank of several, one worker and
/// the supervisors of the others. One that dies or falls silent ends the job on all of them, with its reason.
Result<Json> runOnRanks(const Job& job, Signals& signals, Console& console);

} // namespace espalier::cli
