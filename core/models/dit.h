// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/model_config.h"
#include "core/models/layers.h"
#include "core/models/model.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace espalier::models {

/// The published table of positions for a square of tokens: sines, then cosines, of the column, then of the row. float [1, grid², width]
at::Tensor positionTable(std::int64_t width, std::int64_t grid);
/// Cosines, then sines, of t times frequencies from 1 down to nearly 1/10000, as DiT has them. [B] -> float [B, width]
at::Tensor timestepFeatures(const at::Tensor& t, std::int64_t width);

/// The diffusion transformer with adaLN-Zero (facebookresearch/DiT): names, order and arithmetic as published. It takes pixels or latents
/// alike: `image` says how many channels and how large; others are taken too, of any side that the patches divide. With a table of stages
/// (AutoProg-Zero) the path says which one it is told.
class Dit final : public Model {
public:
    Dit(const config::DitConfig& config, const ImageShape& image, const Place& place);
    ~Dit() override;

    std::string kind() const override { return "dit"; }
    ImageShape image() const override { return m_image; }
    std::int64_t classes() const override { return m_config.numClasses; }
    /// -> [B, C, H, W], or [B, 2 C, H, W] where the variance is learned: the noise first.
    at::Tensor forward(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws) override;
    /// For tests and probes: called with "condition", "tokens", "blocks.0" … and "final_layer", and what came out there.
    std::function<void(const std::string&, const at::Tensor&)> watch;

private:
    struct Net;
    at::Tensor condition(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws) const;
    at::Tensor stage(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws) const;
    const at::Tensor& positions(std::int64_t side);

    config::DitConfig m_config;
    ImageShape m_image;
    std::int64_t m_grid; // tokens along a side that the table of positions is made for
    at::Tensor m_positions;
    std::map<std::int64_t, at::Tensor> m_resized; // for other grids
    std::unique_ptr<Net> m_net;
};

} // namespace espalier::models
