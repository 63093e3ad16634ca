// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/field.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

namespace espalier::config {

/// When images are encoded: all sides that a schedule can come to before the first step, or each as its stage begins.
enum class EncodeWhen { Start, Stage };
template <>
struct Names<EncodeWhen> {
    static constexpr std::array<std::pair<EncodeWhen, const char*>, 2> kAll{{{EncodeWhen::Start, "start"}, {EncodeWhen::Stage, "stage"}}};
};

/// Training in the space of an autoencoder: Stable Diffusion's kl-f8 makes 4 channels of one eighth of the side.
struct LatentsConfig { // path "latents"
    static constexpr std::int64_t kFactor = 8, kChannels = 4;
    bool enabled = false;
    std::string vae;
    double scale = 0.18215;
    bool sampled = true;
    std::int64_t tileSide = 0;
    std::string cache;
    EncodeWhen when = EncodeWhen::Start;
    static void describe(auto& self, auto&& field)
    {
        field("enabled", self.enabled, "Train on latents of an autoencoder, 4 channels of one eighth of data.side, instead of pixels");
        field("vae", self.vae,
              "The autoencoder (Stable Diffusion's kl-f8, such as sd-vae-ft-ema): a diffusers folder, a safetensors or a PyTorch file",
              {.change = Change::AtResume});
        field("scale", self.scale, "What latents are multiplied with, so that they have about unit variance",
              {.min = 1e-3, .max = 1e3, .advanced = true});
        field("sampled", self.sampled, "Draw each latent anew from what the encoder gives for its image; otherwise take the mean",
              {.advanced = true});
        field("tile_side", self.tileSide,
              "Decode large samples in overlapping pieces of this side, for small GPUs; it changes the images. 0: whole",
              {.min = 0, .max = 8192, .unit = "pixels", .advanced = true, .change = Change::AtResume});
        field("cache", self.cache, "Folder that keeps encoded images; empty: latents/ in the data folder of the library",
              {.advanced = true, .change = Change::AtResume});
        field("when", self.when,
              "When images are encoded: start, all sides that the schedule can come to before the first step, or stage, each as its stage "
              "begins",
              {.advanced = true, .change = Change::AtResume});
    }
};

} // namespace espalier::config
