// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"

#include <chrono>
#include <string>
#include <string_view>

namespace espalier::cli {

/// What a command says. Results go to stdout, everything else to stderr; progress is one line on a terminal, plain lines elsewhere.
class Console {
public:
    bool json = false;  // one JSON document on stdout, nothing else there
    bool quiet = false; // no notes, no progress

    Console();
    void note(std::string_view text);
    /// `done` of `of` when known (of > 0). Rewrites its line on a terminal; elsewhere at most one line every ten seconds.
    void progress(std::string_view text);
    /// Ends the progress line, so that what follows starts on its own.
    void endProgress();
    /// The result: `document` with --json, else `text` (unless quiet and empty).
    void result(const Json& document, std::string_view text);
    /// Says what went wrong (with --json also as {"error": …} on stdout) and gives the exit status.
    int fail(const Error& error);

private:
    bool m_terminal = false, m_line = false;
    std::chrono::steady_clock::time_point m_lastLine{};
};

} // namespace espalier::cli
