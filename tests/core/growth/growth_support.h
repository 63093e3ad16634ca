// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small networks with the state that a training keeps of them.

#include "core/growth/freeze.h"
#include "core/growth/grow.h"
#include "core/models/dit.h"
#include "core/models/registry.h"
#include "core/models/vit.h"
#include "core/shapes/parameters.h"
#include "tests/core/tensors/tensor_support.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace espalier::tests {

struct Net {
    shapes::ModelShape shape;
    std::shared_ptr<models::Model> model;
    tensors::TrainState state;

    tensors::Slot& slot(const std::string& name)
    {
        for (auto& slot : state.slots)
            if (slot.name == name)
                return slot;
        ADD_FAILURE() << "no " << name;
        return state.slots.front();
    }
    growth::Parent as(const std::string& id) const { return {id, shape, &state}; }
};

inline void giveMoments(tensors::Slot& slot)
{
    slot.m = tensors::twinOf(slot.value);
    slot.v = tensors::twinOf(slot.value);
    slot.step = at::zeros({}, slot.value.options().requires_grad(false));
}

/// A parameter as the golden fill has it, in its type; computed tables are left as they are.
inline at::Tensor filledAs(const std::string& name, const at::Tensor& value)
{
    return tensorOf(goldenParameter(name, value.sizes().vec()), value.sizes()).to(value.scalar_type());
}

/// Parameters filled by `prefix` and their names; averages equal them, and moments are zero.
inline Net makeNet(const shapes::ModelShape& shape, const std::string& prefix, std::vector<double> decays = {},
                   at::Device device = at::kCPU)
{
    Net net{shape, {}, {}};
    auto model = models::make(shape.model, {shape.inChannels, shape.side, shape.side}, device, false);
    EXPECT_TRUE(model) << (model ? "" : model.error().message);
    net.model = *model;
    net.state.emaDecays = std::move(decays);
    const at::NoGradGuard guard;
    for (auto& item : net.model->named_parameters()) {
        tensors::Slot slot{.name = item.key(), .value = item.value()};
        if (slot.value.requires_grad()) {
            if (!device.is_meta())
                item.value().copy_(filledAs(prefix + item.key(), item.value()));
            giveMoments(slot);
        }
        for (std::size_t i = 0; i < net.state.emaDecays.size(); ++i)
            slot.ema.push_back(slot.value.detach().clone());
        net.state.slots.push_back(std::move(slot));
    }
    tensors::assertPaired(net.state);
    return net;
}

inline shapes::ModelShape vitShape(std::int64_t depth, std::int64_t width = 48, std::int64_t heads = 3)
{
    return {.inChannels = 3,
            .outChannels = 0,
            .side = 16,
            .model = config::VitConfig{.patchSize = 4, .hiddenSize = width, .depth = depth, .numHeads = heads, .numClasses = 10}};
}

inline shapes::ModelShape ditShape(std::int64_t depth, std::int64_t side = 8)
{
    return {.inChannels = 4,
            .outChannels = 4,
            .side = side,
            .model = config::DitConfig{.patchSize = 2, .hiddenSize = 16, .depth = depth, .numHeads = 2, .numClasses = 3}};
}

/// One source for each block of the new network: -1 begins anew.
inline std::vector<plan::PartSource> sourcesOf(const std::vector<std::int64_t>& blocks, const std::string& which,
                                               const std::string& weights = "")
{
    using From = plan::PartSource::From;
    std::vector<plan::PartSource> sources{{{"embed"}, From::Stage, which, {"embed"}, weights},
                                          {{"head"}, From::Stage, which, {"head"}, weights}};
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const auto to = static_cast<std::int64_t>(i);
        if (blocks[i] < 0)
            sources.push_back({{"blocks", to, to + 1}, From::Fresh, "", {}, ""});
        else
            sources.push_back({{"blocks", to, to + 1}, From::Stage, which, {"blocks", blocks[i], blocks[i] + 1}, weights});
    }
    return sources;
}

inline plan::Stage stageOf(const Net& net, std::vector<plan::PartSource> weights, config::Carry optimizer = config::Carry::Keep)
{
    plan::Stage stage;
    stage.id = "stage-01";
    stage.shape = net.shape;
    stage.weights = std::move(weights);
    stage.optimizer = optimizer;
    return stage;
}

inline void expectGrown(const Result<Done>& grown)
{
    EXPECT_TRUE(grown) << (grown ? "" : grown.error().message);
}

/// Everything in a state, to compare it with what it was.
inline std::vector<at::Tensor> everythingIn(const tensors::TrainState& state)
{
    std::vector<at::Tensor> all;
    for (const auto& slot : state.slots) {
        all.push_back(slot.value.detach().clone());
        for (const auto* tensor : {&slot.m, &slot.v, &slot.step})
            all.push_back(tensor->defined() ? tensor->clone() : at::Tensor());
        for (const auto& average : slot.ema)
            all.push_back(average.clone());
    }
    return all;
}

inline bool allEqual(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return x.defined() == y.defined() && (!x.defined() || at::equal(x, y)); });
}

/// All but the blocks, and those blocks.
inline std::vector<shapes::PartRange> rangesOf(const std::vector<std::int64_t>& blocks)
{
    std::vector<shapes::PartRange> ranges{{"embed"}, {"head"}};
    for (const auto block : blocks)
        ranges.push_back({"blocks", block, block + 1});
    return ranges;
}

} // namespace espalier::tests
