// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/runs/follower.h"

#include <string>
#include <vector>

namespace espalier::cli {

/// What stages side by side do, in few words: "module-0 63 % · module-1 12 % · module-2 waits".
std::string branchesText(const std::vector<runs::BranchStatus>& branches);
/// The same, a line for each with device, attempt and reason. Lines end in newlines.
std::string branchesTable(const std::vector<runs::BranchStatus>& branches);
Json branchesDocument(const std::vector<runs::BranchStatus>& branches);

} // namespace espalier::cli
