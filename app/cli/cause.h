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

namespace espalier::cli {

/// Why a worker ended, as a person would say it.
struct Cause {
    int rank = -1;
    Error error; // code, sentence, output tail
    std::int64_t step = -1;
    std::string checkpoint;   // what the worker itself named
    bool consequence = false; // it lost a peer: another worker's end is the reason
};

/// Of a worker, within a sentence: "worker 2".
std::string workerName(int rank);
/// With a capital letter, for the beginning of one.
std::string capital(std::string_view text);
/// From the status of waitpid. `who`: "worker 2". `oomRose`: the counter rose while it ran. `tail`: what it said last.
Cause causeOfExit(std::string_view who, int status, bool oomRose, std::string_view tail);
/// Of one that has not said a word for so long; `who` as above.
std::string silentText(std::string_view who, pid_t process, std::chrono::seconds silence);
/// What a run tells of its end, at `lastStep` when the cause names no step.
runs::Failed failureOf(const Cause& cause, std::int64_t lastStep);
/// "SIGSEGV (segmentation fault)".
std::string signalText(int number);

} // namespace espalier::cli
