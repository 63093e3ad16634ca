// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/cause.h"
#include "app/cli/child.h"
#include "app/cli/patience.h"
#include "core/runs/worker_link.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace espalier::cli {

/// A worker that trains, as the process knows it that started it.
struct TrainWorker {
    using Clock = std::chrono::steady_clock;
    Child child;
    int rank = 0;
    std::string device;
    std::string tail{};                                             // what it printed last
    Clock::time_point lastWord = Clock::now(), lastStep = lastWord; // any word; one that tells of progress
    std::optional<runs::EndedHow> end{};
    bool failed = false;

    /// Reads all that it says and prints; true once, when it has ended.
    bool read(const std::function<void(const Json&)>& status, const std::function<void(std::string_view)>& output);
    /// Why a worker that lives must be ended, where it must: it is silent, was stopped, or takes no step. `who`: "worker 2".
    std::optional<Error> hangs(std::string_view who, const Patience& patience, Clock::time_point now) const;
};

/// What a worker says of its failure.
Cause causeFrom(const Json& line, int rank);
/// What it has answered to a wish, where a line says so.
std::optional<runs::WishAnswered> answerFrom(const Json& line);

} // namespace espalier::cli
