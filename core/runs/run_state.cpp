// SPDX-License-Identifier: Apache-2.0
#include "core/runs/run_state.h"

#include <array>

namespace espalier::runs {
namespace {

struct Words {
    RunState state;
    std::string_view text, title;
};

constexpr std::array<Words, 14> kWords{{
    {RunState::New, "new", "New"},
    {RunState::Queued, "queued", "Queued"},
    {RunState::Starting, "starting", "Starting…"},
    {RunState::Training, "training", "Training"},
    {RunState::Sampling, "sampling", "Sampling"},
    {RunState::Evaluating, "evaluating", "Evaluating"},
    {RunState::Saving, "saving", "Saving…"},
    {RunState::Pausing, "pausing", "Pausing…"},
    {RunState::Paused, "paused", "Paused"},
    {RunState::Stopping, "stopping", "Stopping…"},
    {RunState::Stopped, "stopped", "Stopped"},
    {RunState::Finished, "finished", "Finished"},
    {RunState::Failed, "failed", "Failed"},
    {RunState::Lost, "lost", "Lost"},
}};

const Words& wordsOf(RunState state)
{
    return kWords[static_cast<std::size_t>(state)];
}

Possible no(std::string why)
{
    return {false, std::move(why)};
}

Possible startPossible(RunState state)
{
    switch (state) {
    case RunState::New:
    case RunState::Paused:
    case RunState::Stopped:
    case RunState::Failed:
    case RunState::Lost:
        return {true, {}};
    case RunState::Finished:
        return no("This run is finished. Raise its length in the configuration, or start a new run from it.");
    case RunState::Queued:
        return no("This run is waiting for a device and starts by itself.");
    case RunState::Pausing:
        return no("This run is saving before it pauses. It can be resumed in a moment.");
    case RunState::Stopping:
        return no("This run is saving before it stops. It can be resumed in a moment.");
    default:
        return no("This run is already training.");
    }
}

/// Wishes that need a live trainer.
Possible wishPossible(RunState state)
{
    switch (state) {
    case RunState::Training:
    case RunState::Sampling:
    case RunState::Evaluating:
    case RunState::Saving:
        return {true, {}};
    case RunState::Starting:
        return no("This run is still starting. Try again in a moment.");
    case RunState::New:
        return no("This run has not been started yet.");
    case RunState::Queued:
        return no("This run is waiting for a device.");
    case RunState::Pausing:
        return no("This run is already pausing.");
    case RunState::Paused:
        return no("This run is paused. Resume it first.");
    case RunState::Stopping:
        return no("This run is already stopping.");
    case RunState::Stopped:
        return no("This run is stopped. Resume it first.");
    case RunState::Finished:
        return no("This run is finished.");
    case RunState::Failed:
        return no("This run failed. Resume it first.");
    case RunState::Lost:
        return no("Nobody is training this run any more. Resume it first.");
    }
    return no("");
}

} // namespace

std::string_view stateText(RunState state)
{
    return wordsOf(state).text;
}

std::string_view stateTitle(RunState state)
{
    return wordsOf(state).title;
}

std::optional<RunState> stateFromText(std::string_view text)
{
    for (const auto& words : kWords)
        if (words.text == text)
            return words.state;
    return std::nullopt;
}

bool isLive(RunState state)
{
    switch (state) {
    case RunState::Starting:
    case RunState::Training:
    case RunState::Sampling:
    case RunState::Evaluating:
    case RunState::Saving:
    case RunState::Pausing:
    case RunState::Stopping:
        return true;
    default:
        return false;
    }
}

bool isAtRest(RunState state)
{
    return !isLive(state) && state != RunState::New && state != RunState::Queued;
}

Possible possible(Action action, RunState state)
{
    switch (action) {
    case Action::Start:
        return startPossible(state);
    case Action::Stop:
        // A run that starts or pauses can still be told to end, and one that waits to leave the queue.
        if (state == RunState::Starting || state == RunState::Pausing || state == RunState::Queued)
            return {true, {}};
        return wishPossible(state);
    case Action::Pause:
        if (state == RunState::Starting)
            return {true, {}};
        return wishPossible(state);
    case Action::Checkpoint:
        return wishPossible(state);
    case Action::Sample:
    case Action::Evaluate:
        // On a run at rest these are jobs of their own, from its newest checkpoint.
        if (isAtRest(state))
            return {true, {}};
        return wishPossible(state);
    case Action::Export:
        if (state == RunState::New || state == RunState::Queued)
            return no("There is nothing to export yet: the run has no checkpoint.");
        return {true, {}};
    }
    return no("");
}

std::string_view actionTitle(Action action, RunState state)
{
    switch (action) {
    case Action::Start:
        switch (state) {
        case RunState::Paused:
        case RunState::Stopped:
        case RunState::Lost:
        case RunState::Failed:
            return "Resume";
        default:
            return "Start";
        }
    case Action::Pause:
        return state == RunState::Pausing ? "Pausing…" : "Pause";
    case Action::Stop:
        return state == RunState::Stopping ? "Stopping…" : "Stop";
    case Action::Checkpoint:
        return "Checkpoint";
    case Action::Sample:
        return "Sample";
    case Action::Evaluate:
        return "Evaluate";
    case Action::Export:
        return "Export";
    }
    return "";
}

} // namespace espalier::runs
