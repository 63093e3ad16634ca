// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/model_config.h"
#include "core/models/layers.h"
#include "core/models/model.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace espalier::models {

/// Everything that decides the U-Net's parameters, as the published constructor takes it.
struct UNetOptions {
    std::int64_t inChannels = 3, outChannels = 3; // of the network inside: block_size² as many as the picture has
    std::int64_t hidChannels = 128;
    std::vector<std::int64_t> chMultipliers{1, 2, 2, 2};
    std::int64_t numResBlocks = 2;
    std::vector<std::int64_t> levelBlocks; // of each level, from the first; empty: numResBlocks in each
    std::vector<bool> applyAttn{false, true, false, false};
    std::int64_t timeEmbeddingDim = 0; // 0: four times hidChannels
    double dropRate = 0.1;
    bool resampleWithConv = true;
    std::int64_t classes = 0; // > 0: ours, a table "label_embed" whose row is added to the embedding of the noise level
    double classDropout = 0.1;
    std::int64_t blockSize = 1; // > 1: pixels folded into channels around the network, whose names gain the prefix "_model."
};

/// The U-Net of the DDPM baseline (tqch/ddpm-torch): names, order and arithmetic as published.
class UNet final : public Model {
public:
    UNet(const UNetOptions& options, const ImageShape& image, const Place& place);
    ~UNet() override;

    std::string kind() const override { return "unet"; }
    ImageShape image() const override { return m_image; }
    std::int64_t classes() const override { return m_options.classes; }
    at::Tensor forward(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws) override;
    /// For tests and probes: called with the published name and the output of every block, in the order in which they run.
    std::function<void(const std::string&, const at::Tensor&)> watch;

private:
    struct Net;
    UNetOptions m_options;
    ImageShape m_image;
    std::shared_ptr<Net> m_net;
};

} // namespace espalier::models
