// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace espalier::tensors {

/// What a network sees in one forward pass, on its device. From the loader `x` holds clean images in the network's scale; a diffusion
/// objective hands on the noised ones with their `t`.
struct Batch {
    at::Tensor x;       // float [B, C, H, W]
    at::Tensor t;       // int64 [B]: noise level, counted from 0; undefined for classifiers
    at::Tensor labels;  // int64 [B]: class; undefined without labels
    at::Tensor targets; // float [B, classes], rows sum to 1: what an image is to be taken for; undefined where the labels say it all
};

} // namespace espalier::tensors
