// SPDX-License-Identifier: Apache-2.0
#include "core/growth/freeze.h"

#include "core/shapes/parameters.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

namespace espalier::growth {
namespace {

std::set<std::string> namesThatTrain(const shapes::ModelShape& shape, const std::vector<shapes::PartRange>& trainable)
{
    std::set<std::string> names;
    for (auto& parameter : shapes::parameterTable(shape)) {
        const auto holds = [&](const shapes::PartRange& range) { return shapes::contains(range, parameter.part, parameter.block); };
        if (parameter.trained && (trainable.empty() || std::any_of(trainable.begin(), trainable.end(), holds)))
            names.insert(std::move(parameter.name));
    }
    return names;
}

} // namespace

void setGradients(tensors::TrainState& state, const shapes::ModelShape& shape, const std::vector<shapes::PartRange>& trainable)
{
    const auto names = namesThatTrain(shape, trainable);
    for (auto& slot : state.slots)
        slot.value.requires_grad_(names.contains(slot.name));
}

void setTrainable(tensors::TrainState& state, const shapes::ModelShape& shape, const std::vector<shapes::PartRange>& trainable,
                  const std::function<void(tensors::Slot&)>& giveMoments)
{
    setGradients(state, shape, trainable);
    for (auto& slot : state.slots) {
        if (slot.value.requires_grad()) {
            if (!slot.m.defined())
                giveMoments(slot);
            continue;
        }
        slot.value.mutable_grad() = at::Tensor();
        slot.m = slot.v = slot.step = slot.largest = at::Tensor();
    }
}

} // namespace espalier::growth
