// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/tensors/batch.h"
#include "core/tensors/draws.h"
#include "core/tensors/path.h"

#include <torch/nn/module.h>

#include <cstdint>
#include <string>

namespace espalier::models {

/// The picture that goes in, and what comes out.
struct ImageShape {
    std::int64_t channels = 3, height = 32, width = 32;
};

/// Every network. Parameters carry the published names and are registered in the published order; the constructor leaves their
/// values to initialise(). Random draws inside (dropout) come from the Draws alone, and only while training.
class Model : public torch::nn::Module {
public:
    /// What it is: "unet", "dit", "vit".
    virtual std::string kind() const = 0;
    virtual ImageShape image() const = 0;
    /// Classes that it is told of, or tells apart; 0: none. To one that draws, the label of that number stands for any class.
    virtual std::int64_t classes() const { return 0; }
    /// Whether blocks are computed again for the backward pass instead of keeping what is inside. Draws make both times the same.
    bool recompute = false;
    virtual at::Tensor forward(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws) = 0;
};

} // namespace espalier::models
