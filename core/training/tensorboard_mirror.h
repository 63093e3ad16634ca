// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/runs/run_writer.h"

#include <filesystem>
#include <memory>

namespace espalier::training {

/// Writes what a run writes a second time as TensorBoard event files. A folder that cannot be written turns the mirror off: TensorBoard is
/// a courtesy, never a reason to end a run.
std::unique_ptr<runs::ScalarMirror> tensorBoardMirror(const std::filesystem::path& folder);

} // namespace espalier::training
