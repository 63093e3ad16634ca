// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/models/layers.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace espalier::models {

/// Convolution without bias, batch normalisation with stored statistics, ReLU. Only for evaluation: the three become one convolution with
/// bias when fold() is called, which has to happen after the weights are set and before forward().
class ConvNorm : public torch::nn::Module {
public:
    using Pair = std::array<std::int64_t, 2>; // height, width

    ConvNorm(std::int64_t in, std::int64_t out, Pair kernel, const Place& place, std::int64_t stride = 1, Pair padding = {0, 0});
    void fold();
    at::Tensor forward(const at::Tensor& x) const;

private:
    class Convolution;
    class Norm;
    std::int64_t m_stride;
    Pair m_padding;
    std::shared_ptr<Convolution> m_convolution;
    std::shared_ptr<Norm> m_norm;
    at::Tensor m_kernel, m_shift;
};

/// A block "Mixed_…": branches side by side, whose outputs are concatenated.
class InceptionBlock : public torch::nn::Module {
public:
    at::Tensor forward(const at::Tensor& x) const;
    /// The output of the convolution "branch1x1" alone, for the blocks that have one.
    at::Tensor forwardBranch1x1(const at::Tensor& x) const;

    static std::shared_ptr<InceptionBlock> a(std::int64_t in, std::int64_t pool, const Place& place);
    static std::shared_ptr<InceptionBlock> b(std::int64_t in, const Place& place);
    static std::shared_ptr<InceptionBlock> c(std::int64_t in, std::int64_t middle, const Place& place);
    static std::shared_ptr<InceptionBlock> d(std::int64_t in, const Place& place);
    /// The last block of the published graph pools by the maximum.
    static std::shared_ptr<InceptionBlock> e(std::int64_t in, bool maximum, const Place& place);

private:
    enum class Pool { None, Average, Maximum, Halving };
    struct Branch {
        Pool pool = Pool::None;                       // before the convolutions
        std::vector<std::shared_ptr<ConvNorm>> chain; // one after the other
        std::vector<std::shared_ptr<ConvNorm>> fork;  // then these side by side, on the chain's output
    };
    std::shared_ptr<ConvNorm> add(const std::string& name, std::int64_t in, std::int64_t out, ConvNorm::Pair kernel, const Place& place,
                                  std::int64_t stride = 1);
    std::vector<Branch> m_branches;
};

} // namespace espalier::models
