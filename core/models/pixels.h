// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/model_config.h"

#include <ATen/core/Tensor.h>

namespace espalier::models {

/// How bytes become what a network sees: (byte / 255 - mean) / deviation for each channel, rounded as ToTensor and Normalize of torchvision
/// do. Networks that draw see [-1, 1]; classifiers what their settings say.
class PixelReader {
public:
    PixelReader(const config::ModelConfig& model, at::Device device);

    /// uint8 [n, h, w, 3] into float [n, 3, h, w], both on the device. Allocates nothing.
    void read(const at::Tensor& bytes, at::Tensor& into) const;

private:
    at::Tensor m_mean, m_deviation; // float [1, 3, 1, 1]
};

} // namespace espalier::models
