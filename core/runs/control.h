// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/runs/events.h"
#include "core/runs/run_folder.h"
#include "core/runs/run_state.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::runs {

enum class WishKind { Checkpoint, Sample, Evaluate, Pause, Stop, Start };
std::string_view wishText(WishKind kind); // "checkpoint", "sample" …
std::optional<WishKind> wishFromText(std::string_view text);
Action actionOf(WishKind kind);

/// What somebody asks of a live run; the answer is a `wish` event with the same id.
struct Wish {
    std::string id;
    WishKind kind = WishKind::Checkpoint;
    Json options = Json::object(); // sample: num, seed, weights …; checkpoint: keep; pause, start: module
};
/// The module that a pause or start is about: {"module": 2}. None: the whole run. Start is said of modules alone.
std::optional<std::int64_t> moduleOf(const Wish& wish);
/// A wish about a module that the supervisor has obeyed, with its answer, for the worker that has the pen to write it.
Wish obeyed(const Wish& wish, const WishAnswered& answer);
std::optional<WishAnswered> answerOf(const Wish& wish);
Json wishJson(const Wish& wish);
std::optional<Wish> wishFromJson(const Json& json);

/// Renames the wish into control/<id>.json and gives its id. Any process may; needs no lock.
Result<std::string> sendWish(const RunFolder& folder, WishKind kind, Json options = Json::object());

struct TakenWishes {
    std::vector<Wish> wishes;         // oldest first
    std::vector<std::string> refused; // one sentence per file that was no wish
};
/// Takes all wishes out of the folder. For the holder of the lock.
TakenWishes takeWishes(const RunFolder& folder);

} // namespace espalier::runs
