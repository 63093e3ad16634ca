// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/result.h"
#include "core/runs/run_folder.h"

#include <cstdint>
#include <stop_token>

namespace espalier::gui {

/// Reads every file of a checkpoint and compares size and SHA-256 with its manifest. Fails with the sentence to show. Takes its time.
Result<Done> verifyCheckpoint(const runs::RunFolder& run, std::int64_t step, std::stop_token stop);

/// Removes a checkpoint of a run at rest and writes it down in its events; takes the lock for that.
Result<Done> deleteCheckpoint(const runs::RunFolder& run, std::int64_t step);

} // namespace espalier::gui
