// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/console.h"
#include "app/cli/signals.h"
#include "core/runs/control.h"
#include "core/runs/events.h"
#include "core/runs/follower.h"

#include <optional>
#include <vector>

namespace espalier::cli {

enum class Until { Sent, Answered, AtRest };

/// What a live run said to a wish.
struct Asked {
    std::string id;
    std::optional<runs::WishAnswered> answer; // with Until::Answered and AtRest
    std::vector<runs::Event> drawn;           // samples and evaluations that came before the answer
    runs::RunState state = runs::RunState::New;
};

/// Sends a wish to a live run and waits as told. A refused wish is an error; so is a run that ends without an answer. The first signal
/// leaves: the wish stays with the run.
Result<Asked> askRun(const runs::RunFolder& run, runs::WishKind kind, Json options, Until until, Signals& signals, Console& console);

/// Waits until something changed in the run, a signal came or half a second passed; false when asked to leave.
bool waitForRun(const runs::RunFolder& run, Signals& signals);

} // namespace espalier::cli
