// SPDX-License-Identifier: Apache-2.0
#include "core/parallel/agreement.h"
#include "tests/support/ranks.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace espalier::parallel {
namespace {

using tests::onRanks;

tensors::TrainState someState()
{
    tensors::TrainState state;
    for (const auto* name : {"first", "second"}) {
        tensors::Slot slot;
        slot.name = name;
        slot.value = torch::arange(24, at::kFloat).reshape({2, 3, 4}).permute({2, 0, 1});
        slot.ema = {slot.value.clone()};
        slot.m = at::zeros_like(slot.value);
        state.slots.push_back(std::move(slot));
    }
    return state;
}

/// What checkAgreement says on this rank; "" when all agree.
std::string said(ProcessGroup& group, const tensors::TrainState& state, const std::string& build = "one")
{
    const auto done = checkAgreement(group, {{"The build of the program", build}, {"What the images are", "garden"}}, state);
    return done ? "" : done.error().message;
}

std::string expectNamed(const std::string& message, std::initializer_list<const char*> words)
{
    for (const auto* word : words)
        if (message.find(word) == std::string::npos)
            return "\"" + message + "\" does not say " + word;
    return "";
}

} // namespace

TEST(Agreement, OfEqualRanksIsSilent)
{
    onRanks(3, [](auto group) { return said(*group, someState()); });
}

TEST(Agreement, NamesTheParameterOfWhichOneElementDiffersByOneBit)
{
    onRanks(3, [](auto group) -> std::string {
        auto state = someState();
        if (group->rank() == 2)
            state.slots[1].value.view_as(state.slots[1].value)[0][0][1] = std::nextafter(4.0f, 5.0f);
        return expectNamed(said(*group, state), {"The parameter second", "rank 2"});
    });
}

TEST(Agreement, NamesWhatIsKeptBesideAParameterAndWhereTrainingStands)
{
    onRanks(2, [](auto group) -> std::string {
        auto state = someState();
        if (group->rank() == 1)
            state.slots[0].m[0][0][0] = 1.0f;
        if (const auto wrong = expectNamed(said(*group, state), {"the optimizer keeps of first"}); !wrong.empty())
            return wrong;
        state = someState();
        state.counters.step = group->rank();
        return expectNamed(said(*group, state), {"step"});
    });
}

TEST(Agreement, NamesBothValuesOfAFact)
{
    onRanks(2, [](auto group) -> std::string {
        return expectNamed(said(*group, someState(), group->rank() == 0 ? "one" : "another"),
                           {"The build of the program", "\"one\" on rank 0", "\"another\" on rank 1"});
    });
}

TEST(Agreement, IsRefusedToRanksWithOtherParameters)
{
    onRanks(2, [](auto group) -> std::string {
        auto state = someState();
        if (group->rank() == 1)
            state.slots.pop_back();
        return expectNamed(said(*group, state), {"The number of parameters"});
    });
}

TEST(Agreement, FingerprintsDoNotDependOnStridesButOnOrder)
{
    const auto value = torch::arange(12, at::kFloat).reshape({3, 4});
    EXPECT_EQ(fingerprintOf(value), fingerprintOf(value.t().contiguous().t()));
    auto swapped = value.clone();
    swapped[0][1] = 2.0f;
    swapped[0][2] = 1.0f;
    EXPECT_NE(fingerprintOf(value), fingerprintOf(swapped));
    EXPECT_NE(fingerprintOf(value), fingerprintOf(at::zeros_like(value)));
    EXPECT_NE(fingerprintOf(at::zeros({3})), fingerprintOf(at::zeros({4})));
    EXPECT_EQ(fingerprintOf(at::ones({5}, at::kHalf)), fingerprintOf(at::ones({5}, at::kHalf)));
    EXPECT_EQ(fingerprintOf(at::ones({5}, at::kLong)), fingerprintOf(at::ones({5}, at::kLong)));
}

TEST(ProcessGroup, NamesAnAddressThatDoesNotAnswerInTime)
{
    ::setenv("ESPALIER_JOIN_SECONDS", "2", 1);
    const auto begin = std::chrono::steady_clock::now();
    const auto group = ProcessGroup::join({1, 2, 1, "127.0.0.1", tests::freePort()}, at::kCPU);
    ::unsetenv("ESPALIER_JOIN_SECONDS");
    ASSERT_FALSE(group);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
    EXPECT_NE(group.error().message.find("127.0.0.1:"), std::string::npos) << group.error().message;
}

} // namespace espalier::parallel
