// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace espalier::runs {

/// What a run is doing. Lost is never written: followers conclude it when the state says "alive" and nobody is.
enum class RunState {
    New,
    Queued,
    Starting,
    Training,
    Sampling,
    Evaluating,
    Saving,
    Pausing,
    Paused,
    Stopping,
    Stopped,
    Finished,
    Failed,
    Lost,
};

/// "training": the word in events.jsonl and in --json.
std::string_view stateText(RunState state);
std::optional<RunState> stateFromText(std::string_view text);
/// "Training", "Saving…": the word on the state chip.
std::string_view stateTitle(RunState state);

/// A supervisor is said to be at work (Starting to Stopping, without Paused).
bool isLive(RunState state);
/// The run came to rest: Paused, Stopped, Finished, Failed or Lost.
bool isAtRest(RunState state);

/// What a person can ask of a run; the toolbar's buttons and the subcommands.
enum class Action { Start, Pause, Stop, Checkpoint, Sample, Evaluate, Export };

/// Whether an action is possible now; `why` is the tooltip or the refusal when it is not.
struct Possible {
    bool allowed = false;
    std::string why;
    explicit operator bool() const { return allowed; }
};
Possible possible(Action action, RunState state);
/// What the button does now: "Start", "Resume", "Start again" …
std::string_view actionTitle(Action action, RunState state);

} // namespace espalier::runs
