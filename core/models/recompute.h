// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace espalier::models {

using Body = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

/// body(inputs), of which only the inputs are kept: the backward pass computes the rest again, in the same arithmetic. `parameters` are
/// all that body uses besides. Gradients are those without it, bit for bit unless an input is used elsewhere too: then they are added in
/// another order. They differentiate once.
at::Tensor recomputed(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& parameters, Body body);

} // namespace espalier::models
