// SPDX-License-Identifier: Apache-2.0
#include "core/models/inception_blocks.h"

#include <ATen/ATen.h>

namespace espalier::models {
namespace {

constexpr double kEpsilon = 1e-3;
constexpr ConvNorm::Pair k1x1{1, 1}, k3x3{3, 3}, k5x5{5, 5}, k1x7{1, 7}, k7x1{7, 1}, k1x3{1, 3}, k3x1{3, 1};

} // namespace

class ConvNorm::Convolution : public Leaf {
public:
    Convolution(at::IntArrayRef shape, const Place& place) { own(shape, {}, 0, place); }
};

class ConvNorm::Norm : public Leaf {
public:
    Norm(std::int64_t channels, const Place& place)
    {
        own({channels}, {Initial::Constant, 1.0}, channels, place);
        mean = register_buffer("running_mean", at::zeros({channels}, weight.options()));
        variance = register_buffer("running_var", at::ones({channels}, weight.options()));
    }
    at::Tensor mean, variance;
};

ConvNorm::ConvNorm(std::int64_t in, std::int64_t out, Pair kernel, const Place& place, std::int64_t stride, Pair padding)
    : m_stride(stride), m_padding(padding)
{
    m_convolution = register_module("conv", std::make_shared<Convolution>(std::vector{out, in, kernel[0], kernel[1]}, place));
    m_norm = register_module("bn", std::make_shared<Norm>(out, place));
}

void ConvNorm::fold()
{
    const at::NoGradGuard guard;
    const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
    const at::Tensor scale = wide(m_norm->weight) / (wide(m_norm->variance) + kEpsilon).sqrt();
    const at::Tensor& weight = m_convolution->weight;
    m_kernel = (wide(weight) * scale.view({-1, 1, 1, 1})).to(weight.scalar_type()).contiguous(weight.suggest_memory_format());
    m_shift = (wide(m_norm->bias) - wide(m_norm->mean) * scale).to(weight.scalar_type());
}

at::Tensor ConvNorm::forward(const at::Tensor& x) const
{
    return at::conv2d(x, m_kernel, m_shift, m_stride, m_padding).relu_();
}

std::shared_ptr<ConvNorm> InceptionBlock::add(const std::string& name, std::int64_t in, std::int64_t out, ConvNorm::Pair kernel,
                                              const Place& place, std::int64_t stride)
{
    // What halves the image pads nothing; everything else keeps its size.
    const ConvNorm::Pair padding = stride > 1 ? ConvNorm::Pair{0, 0} : ConvNorm::Pair{kernel[0] / 2, kernel[1] / 2};
    return register_module(name, std::make_shared<ConvNorm>(in, out, kernel, place, stride, padding));
}

at::Tensor InceptionBlock::forward(const at::Tensor& x) const
{
    std::vector<at::Tensor> outputs;
    for (const Branch& branch : m_branches) {
        at::Tensor h = x;
        if (branch.pool == Pool::Average) // the graph divides by the pixels that are there, not by the kernel's nine
            h = at::avg_pool2d(h, 3, 1, 1, false, false);
        else if (branch.pool == Pool::Maximum)
            h = at::max_pool2d(h, 3, 1, 1);
        else if (branch.pool == Pool::Halving)
            h = at::max_pool2d(h, 3, 2);
        for (const auto& convolution : branch.chain)
            h = convolution->forward(h);
        if (branch.fork.empty())
            outputs.push_back(h);
        for (const auto& convolution : branch.fork)
            outputs.push_back(convolution->forward(h));
    }
    return at::cat(outputs, 1);
}

at::Tensor InceptionBlock::forwardBranch1x1(const at::Tensor& x) const
{
    return m_branches.front().chain.front()->forward(x);
}

std::shared_ptr<InceptionBlock> InceptionBlock::a(std::int64_t in, std::int64_t pool, const Place& p)
{
    auto block = std::make_shared<InceptionBlock>();
    auto& m = *block;
    m.m_branches = {{.chain = {m.add("branch1x1", in, 64, k1x1, p)}},
                    {.chain = {m.add("branch5x5_1", in, 48, k1x1, p), m.add("branch5x5_2", 48, 64, k5x5, p)}},
                    {.chain = {m.add("branch3x3dbl_1", in, 64, k1x1, p), m.add("branch3x3dbl_2", 64, 96, k3x3, p),
                               m.add("branch3x3dbl_3", 96, 96, k3x3, p)}},
                    {.pool = Pool::Average, .chain = {m.add("branch_pool", in, pool, k1x1, p)}}};
    return block;
}

std::shared_ptr<InceptionBlock> InceptionBlock::b(std::int64_t in, const Place& p)
{
    auto block = std::make_shared<InceptionBlock>();
    auto& m = *block;
    m.m_branches = {{.chain = {m.add("branch3x3", in, 384, k3x3, p, 2)}},
                    {.chain = {m.add("branch3x3dbl_1", in, 64, k1x1, p), m.add("branch3x3dbl_2", 64, 96, k3x3, p),
                               m.add("branch3x3dbl_3", 96, 96, k3x3, p, 2)}},
                    {.pool = Pool::Halving}};
    return block;
}

std::shared_ptr<InceptionBlock> InceptionBlock::c(std::int64_t in, std::int64_t middle, const Place& p)
{
    auto block = std::make_shared<InceptionBlock>();
    auto& m = *block;
    m.m_branches = {{.chain = {m.add("branch1x1", in, 192, k1x1, p)}},
                    {.chain = {m.add("branch7x7_1", in, middle, k1x1, p), m.add("branch7x7_2", middle, middle, k1x7, p),
                               m.add("branch7x7_3", middle, 192, k7x1, p)}},
                    {.chain = {m.add("branch7x7dbl_1", in, middle, k1x1, p), m.add("branch7x7dbl_2", middle, middle, k7x1, p),
                               m.add("branch7x7dbl_3", middle, middle, k1x7, p), m.add("branch7x7dbl_4", middle, middle, k7x1, p),
                               m.add("branch7x7dbl_5", middle, 192, k1x7, p)}},
                    {.pool = Pool::Average, .chain = {m.add("branch_pool", in, 192, k1x1, p)}}};
    return block;
}

std::shared_ptr<InceptionBlock> InceptionBlock::d(std::int64_t in, const Place& p)
{
    auto block = std::make_shared<InceptionBlock>();
    auto& m = *block;
    m.m_branches = {{.chain = {m.add("branch3x3_1", in, 192, k1x1, p), m.add("branch3x3_2", 192, 320, k3x3, p, 2)}},
                    {.chain = {m.add("branch7x7x3_1", in, 192, k1x1, p), m.add("branch7x7x3_2", 192, 192, k1x7, p),
                               m.add("branch7x7x3_3", 192, 192, k7x1, p), m.add("branch7x7x3_4", 192, 192, k3x3, p, 2)}},
                    {.pool = Pool::Halving}};
    return block;
}

std::shared_ptr<InceptionBlock> InceptionBlock::e(std::int64_t in, bool maximum, const Place& p)
{
    auto block = std::make_shared<InceptionBlock>();
    auto& m = *block;
    m.m_branches = {{.chain = {m.add("branch1x1", in, 320, k1x1, p)}},
                    {.chain = {m.add("branch3x3_1", in, 384, k1x1, p)},
                     .fork = {m.add("branch3x3_2a", 384, 384, k1x3, p), m.add("branch3x3_2b", 384, 384, k3x1, p)}},
                    {.chain = {m.add("branch3x3dbl_1", in, 448, k1x1, p), m.add("branch3x3dbl_2", 448, 384, k3x3, p)},
                     .fork = {m.add("branch3x3dbl_3a", 384, 384, k1x3, p), m.add("branch3x3dbl_3b", 384, 384, k3x1, p)}},
                    {.pool = maximum ? Pool::Maximum : Pool::Average, .chain = {m.add("branch_pool", in, 192, k1x1, p)}}};
    return block;
}

} // namespace espalier::models
