// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/models/initialise.h"
#include "core/tensors/draws.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <string>

namespace espalier::models {

/// Where parameters live and how they lie in memory.
struct Place {
    c10::Device device = c10::Device(c10::kCPU);
    at::ScalarType dtype = at::kFloat;
    bool channelsLast = false; // of 4-D parameters
};

/// A layer with `weight` and mostly `bias`. It only allocates: initialise() or a checkpoint sets the values.
class Leaf : public torch::nn::Module, public HasFirstValues {
public:
    Initial weightInitial, biasInitial;
    at::Tensor weight, bias;
    std::vector<FirstValue> firstValues() const override;

protected:
    /// `biasSize` 0: no bias.
    void own(at::IntArrayRef weightShape, Initial initial, std::int64_t biasSize, const Place& place);
};

/// `scale` is that of xavierUniform; kZeroScale marks the layers that published code starts near zero.
inline constexpr double kZeroScale = 1e-10;

class Linear : public Leaf {
public:
    Linear(std::int64_t in, std::int64_t out, const Place& place, double scale = 1.0);
    Linear(std::int64_t in, std::int64_t out, const Place& place, Initial initial, bool bias = true);
    at::Tensor forward(const at::Tensor& x) const;
};

class Conv2d : public Leaf {
public:
    Conv2d(std::int64_t in, std::int64_t out, std::int64_t kernel, const Place& place, std::int64_t stride = 1, std::int64_t padding = 0,
           double scale = 1.0);
    at::Tensor forward(const at::Tensor& x) const;

private:
    std::int64_t m_stride, m_padding;
};

class GroupNorm : public Leaf {
public:
    GroupNorm(std::int64_t channels, const Place& place, std::int64_t groups = 32, double epsilon = 1e-6);
    at::Tensor forward(const at::Tensor& x) const;
    std::int64_t groups() const { return m_groups; }
    double epsilon() const { return m_epsilon; }

private:
    std::int64_t m_groups;
    double m_epsilon;
};

/// What a network knows of a class: one row for each, and behind them the row of "any class", which classifier-free guidance needs
/// (Ho and Salimans 2022; the table as in DiT). Rows start normal with the given deviation.
class LabelEmbedding : public Leaf {
public:
    /// Without `anyClass` there is no row behind the classes, and each image must have one.
    LabelEmbedding(std::int64_t classes, std::int64_t out, double dropout, double deviation, const Place& place, bool anyClass = true);
    /// labels: int64 [B], `classes()` for any class; undefined: any class for all. While training, a share of them is hidden.
    at::Tensor forward(const at::Tensor& labels, std::int64_t batch, const tensors::Draws& draws) const; // [B, out]
    /// The labels that are looked up when these numbers in [0, 1) are drawn.
    at::Tensor seen(const at::Tensor& labels, const at::Tensor& uniform) const;
    at::Tensor rowsOf(const at::Tensor& labels) const;
    std::int64_t classes() const { return m_classes; }

private:
    std::int64_t m_classes;
    double m_dropout;
};

/// A module that only gives names to its children: "0", "1", … or whatever they are registered as.
class Container : public torch::nn::Module {
public:
    template <class M>
    std::shared_ptr<M> add(const std::string& name, std::shared_ptr<M> child)
    {
        return register_module(name, std::move(child));
    }
};

/// Zeros around an image so that a convolution of that kernel and stride gives ceil(size / stride): the odd pixel at the end.
at::Tensor padSame(const at::Tensor& x, std::int64_t kernel, std::int64_t stride);

/// Sines, then cosines, of t times frequencies from 1 to 1/10000; an odd dimension ends with a zero. [B] -> [B, dim]
at::Tensor timestepEmbedding(const at::Tensor& t, std::int64_t dim);

} // namespace espalier::models
