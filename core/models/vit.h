// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/model_config.h"
#include "core/models/layers.h"
#include "core/models/model.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace espalier::models {

/// How often each block's branches are dropped: evenly from 0 at the first block to `last`.
std::vector<double> dropPathRates(double last, std::int64_t depth);

/// The vision transformer as a classifier, as timm and Deep-Incubation have it: names, order and arithmetic as published. It takes images
/// of any side that its patches divide, and runs the blocks that the path keeps, or a part of the way: what a path until block k gives,
/// given to a path from block k, comes to the same bits as the whole.
class Vit final : public Model, public HasFirstValues {
public:
    Vit(const config::VitConfig& config, const ImageShape& image, const Place& place);
    ~Vit() override;

    std::string kind() const override { return "vit"; }
    ImageShape image() const override { return m_image; }
    std::int64_t classes() const override { return m_config.numClasses; }
    at::Tensor forward(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws) override; // -> [B, classes]
    std::vector<FirstValue> firstValues() const override;
    /// For tests and probes: called with "tokens", "blocks.0" … and what came out there.
    std::function<void(const std::string&, const at::Tensor&)> watch;
    /// For tests: what each branch is multiplied with, [B], instead of what the draws say. Branch 2 i is the attention of block i.
    std::function<at::Tensor(std::int64_t branch)> masks;

private:
    at::Tensor positions(std::int64_t side) const;
    at::Tensor tokens(const at::Tensor& images) const; // [B, C, H, W] -> [B, tokens, width]
    at::Tensor mask(std::int64_t branch, double rate, const tensors::Draws& draws) const;

    struct Net;
    config::VitConfig m_config;
    ImageShape m_image;
    std::vector<double> m_rates;
    std::int64_t m_grid; // tokens along a side that the table of positions is made for
    at::Tensor m_class, m_positions;
    std::unique_ptr<Net> m_net;
};

} // namespace espalier::models
