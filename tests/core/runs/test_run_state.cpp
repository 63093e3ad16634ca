// SPDX-License-Identifier: Apache-2.0
#include "core/runs/run_state.h"

#include <gtest/gtest.h>

namespace espalier::runs {

TEST(RunStates, HaveWordsThatReadBack)
{
    for (int i = 0; i <= static_cast<int>(RunState::Lost); ++i) {
        const auto state = static_cast<RunState>(i);
        EXPECT_EQ(stateFromText(stateText(state)), state);
        EXPECT_FALSE(stateTitle(state).empty());
    }
    EXPECT_FALSE(stateFromText("sleeping"));
}

TEST(RunStates, SayWhyAnActionIsNotPossible)
{
    for (int i = 0; i <= static_cast<int>(RunState::Lost); ++i)
        for (const auto action :
             {Action::Start, Action::Pause, Action::Stop, Action::Checkpoint, Action::Sample, Action::Evaluate, Action::Export}) {
            const auto state = static_cast<RunState>(i);
            const auto answer = possible(action, state);
            EXPECT_EQ(answer.allowed, answer.why.empty()) << stateText(state);
            EXPECT_FALSE(actionTitle(action, state).empty());
        }
    EXPECT_TRUE(possible(Action::Pause, RunState::Training));
    EXPECT_FALSE(possible(Action::Pause, RunState::Paused));
    EXPECT_TRUE(possible(Action::Start, RunState::Lost));
    EXPECT_FALSE(possible(Action::Start, RunState::Training));
    EXPECT_EQ(actionTitle(Action::Start, RunState::Paused), "Resume");
}

} // namespace espalier::runs
