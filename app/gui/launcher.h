// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/result.h"

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

namespace espalier::gui {

/// Starts a program that outlives the window: double fork, own session, stdout and stderr appended to `log`.
/// Says at once when the program cannot be executed; what it does later is in its log.
Result<Done> launchDetached(const std::vector<std::string>& command, const std::filesystem::path& log);

struct Finished {
    int exitCode = -1; // 128 + signal when it was killed
    std::string output, errors;
};
/// Runs a program and waits for its end; a stop request ends it with SIGTERM. For threads that may wait.
Result<Finished> runAndWait(const std::vector<std::string>& command, std::stop_token stop);

/// The last lines of a text file, at most `lines`.
std::string tailOf(const std::filesystem::path& file, int lines);

} // namespace espalier::gui
