// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/field.h"

#include <cstdint>
#include <variant>
#include <vector>

namespace espalier::config {

/// The U-Net of the DDPM baseline (Ho et al. 2020, appendix B; names as in tqch/ddpm-torch).
struct UNetConfig { // path "model", kind "unet"
    static constexpr const char* kKind = "unet";
    std::int64_t hidChannels = 128;
    std::vector<std::int64_t> chMultipliers{1, 2, 2, 2};
    std::int64_t numResBlocks = 2;
    std::vector<bool> applyAttn{false, true, false, false};
    double dropRate = 0.1;
    bool resampleWithConv = true;
    std::int64_t blockSize = 1;
    std::int64_t numClasses = 0;
    double classDropoutProb = 0.1;
    bool operator==(const UNetConfig&) const = default;
    static void describe(auto& self, auto&& field)
    {
        field("hid_channels", self.hidChannels, "Channels of the first level; a multiple of 32",
              {.min = 32, .max = 4096, .unit = "channels"});
        field("ch_multipliers", self.chMultipliers, "Channels of each level as multiples of the first; the first is 1",
              {.min = 1, .max = 64});
        field("num_res_blocks", self.numResBlocks, "Residual blocks in each level", {.min = 1, .max = 16, .unit = "blocks"});
        field("apply_attn", self.applyAttn, "Which levels have self-attention; as long as the multipliers");
        field("drop_rate", self.dropRate, "Dropout inside residual blocks", {.min = 0.0, .max = 0.9});
        field("resample_with_conv", self.resampleWithConv, "Change resolution with convolutions; otherwise pooling and nearest neighbour",
              {.advanced = true});
        field("block_size", self.blockSize, "Pixels folded into channels before the network (1: none)",
              {.min = 1, .max = 16, .advanced = true});
        field("num_classes", self.numClasses, "Classes that the network is told of, as many as the data have; 0: it is told none",
              {.min = 0, .max = 1'000'000, .unit = "classes"});
        field("class_dropout_prob", self.classDropoutProb,
              "Share of the images whose class is hidden, so that the network can be guided away from \"any class\" when it draws",
              {.min = 0.0, .max = 1.0, .advanced = true});
    }
};

using ModelConfig = std::variant<UNetConfig>;

/// Classes that a model is told of; 0: none.
inline std::int64_t classesOf(const ModelConfig& model)
{
    return std::visit([](const auto& m) { return m.numClasses; }, model);
}

} // namespace espalier::config
