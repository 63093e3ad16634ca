// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/runs/events.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace espalier::cli {

/// Why a worker ended, as a person would say it.
struct Cause {
    int rank = -1;
    Error error; // code, sentence, output tail
    std::int64_t step = -1;
    std::string checkpoint;   // what the worker itself named
    bool consequence = false; // it lost a peer: another worker's end is the reason
};

/// From the status of waitpid. `oomRose`: the counter rose while it ran. `tail`: what it said last.
Cause causeOfExit(int rank, int status, bool oomRose, std::string_view tail);
/// Of one that has not said a word for so long.
std::string silentText(int rank, pid_t process, std::chrono::seconds silence);
/// What a run tells of its end: the first cause that is no consequence of another, at `lastStep` when it names no step. There is one.
runs::Failed failureOf(const std::vector<Cause>& causes, std::int64_t lastStep);
/// "SIGSEGV (segmentation fault)".
std::string signalText(int number);

} // namespace espalier::cli
