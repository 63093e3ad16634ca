// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/result.h"
#include "core/runs/follower.h"

#include <cstddef>
#include <filesystem>
#include <string>

namespace espalier::gui {

// Files of runs at rest are moved and written here; what a live supervisor holds is refused with its name.

/// The new folder.
Result<std::filesystem::path> renameRun(const std::filesystem::path& folder, const std::string& name);
/// The folder in "archive" beside it.
Result<std::filesystem::path> archiveRun(const std::filesystem::path& folder);
Result<Done> trashRun(const std::filesystem::path& folder);
/// Every raw point of a curve, of several ("gpu/rank_0/load,gpu/rank_1/load"), or the "evaluations", as CSV; whole or not at all. Gives the
/// number of rows.
Result<std::size_t> writeCsv(const runs::RunFollower& run, const std::string& tag, const std::filesystem::path& file);

} // namespace espalier::gui
