// SPDX-License-Identifier: Apache-2.0
// What a network computes before and after it grew.
#include "core/plan/growth_map.h"
#include "tests/core/growth/growth_support.h"

namespace espalier::growth {
namespace {

using namespace espalier::tests;

at::Tensor outputOf(Net& net, const std::vector<bool>& keepBlock = {})
{
    const at::NoGradGuard guard;
    net.model->eval();
    const auto& shape = net.shape;
    const auto x = inputTensor("input:grown", {2, shape.inChannels, shape.side, shape.side});
    return net.model->forward({x, at::tensor({3, 700}, at::kLong), at::tensor({0, 2}, at::kLong), {}}, {.keepBlock = keepBlock, .sid = -1},
                              {});
}

Net grownFrom(const Net& before, const shapes::ModelShape& shape, std::int64_t from, std::int64_t to, const std::string& weights = "")
{
    auto after = makeNet(shape, "new:", before.state.emaDecays);
    const Parent parents[] = {before.as("stage-00")};
    expectGrown(grow(stageOf(after, sourcesOf(plan::depthMap(from, to), "stage-00", weights)), parents, after.state));
    return after;
}

using Shape = shapes::ModelShape (*)(std::int64_t depth);
const std::pair<const char*, Shape> kFamilies[] = {{"vit", [](std::int64_t depth) { return vitShape(depth); }},
                                                   {"dit", [](std::int64_t depth) { return ditShape(depth); }}};

/// Averages that differ from the weights.
void part(Net& net)
{
    const at::NoGradGuard guard;
    for (auto& slot : net.state.slots)
        for (auto& average : slot.ema)
            if (slot.value.requires_grad())
                average.copy_(filledAs("average:" + slot.name, slot.value));
}

TEST(Preserving, TheSmallestSubNetIsTheNetworkThatGrew)
{
    at::set_num_threads(1);
    for (const auto& [name, shapeOf] : kFamilies) {
        for (const auto& [from, to] : {std::pair{2, 4}, {3, 5}, {3, 8}}) {
            SCOPED_TRACE(std::string(name) + " " + std::to_string(from) + " to " + std::to_string(to));
            auto before = makeNet(shapeOf(from), "old:", {0.9996});
            part(before);
            const auto smallest = plan::keptBlocks(from, from, to);
            auto cloned = grownFrom(before, shapeOf(to), from, to);
            const auto was = outputOf(before);
            EXPECT_TRUE(at::equal(outputOf(cloned, smallest), was));
            EXPECT_FALSE(at::equal(outputOf(cloned), was)); // the whole one is another function
            auto momentum = grownFrom(before, shapeOf(to), from, to, "ema:0.9996");
            const auto fromAverage = outputOf(momentum, smallest);
            EXPECT_FALSE(at::equal(fromAverage, was));
            const at::NoGradGuard guard;
            for (auto& slot : before.state.slots)
                slot.value.copy_(slot.ema[0]);
            EXPECT_TRUE(at::equal(fromAverage, outputOf(before)));
        }
    }
}

TEST(Preserving, WithAnAverageThatIsTheNetworkMomentumGrowthIsCopying)
{
    auto before = makeNet(vitShape(2), "old:", {0.0});
    auto cloned = grownFrom(before, vitShape(3), 2, 3), momentum = grownFrom(before, vitShape(3), 2, 3, "ema:0");
    EXPECT_TRUE(allEqual(everythingIn(cloned.state), everythingIn(momentum.state)));
}

TEST(Preserving, TheSameDepthIsAnExactCopy)
{
    for (const auto& [name, shapeOf] : kFamilies) {
        SCOPED_TRACE(name);
        auto before = makeNet(shapeOf(3), "old:", {0.9});
        part(before);
        auto after = grownFrom(before, shapeOf(3), 3, 3);
        EXPECT_TRUE(allEqual(everythingIn(after.state), everythingIn(before.state)));
        EXPECT_TRUE(at::equal(outputOf(after), outputOf(before)));
    }
}

TEST(Preserving, WithoutBranchesDepthChangesNothing)
{
    for (const auto& [name, shapeOf] : kFamilies) {
        SCOPED_TRACE(name);
        auto before = makeNet(shapeOf(2), "old:");
        {
            const at::NoGradGuard guard;
            for (auto& slot : before.state.slots)
                if (slot.name.find("attn.proj.") != std::string::npos || slot.name.find("mlp.fc2.") != std::string::npos)
                    slot.value.zero_();
        }
        const auto was = outputOf(before);
        for (const std::int64_t depth : {2, 3, 5, 7}) {
            auto after = grownFrom(before, shapeOf(depth), 2, depth);
            EXPECT_TRUE(at::equal(outputOf(after), was)) << depth;
        }
    }
}

} // namespace
} // namespace espalier::growth
