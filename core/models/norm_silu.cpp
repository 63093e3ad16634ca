// SPDX-License-Identifier: Apache-2.0
#include "core/models/norm_silu.h"

#include "core/models/norm_silu_kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

namespace espalier::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// One image of a batch at a time: the result does not depend on how many threads share them.
struct Fused : torch::autograd::Function<Fused> {
    static kernels::NormSilu kernelFor(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, std::int64_t groups,
                                       double epsilon)
    {
        return {x.size(2) * x.size(3),       x.size(1), groups, static_cast<float>(epsilon), weight.const_data_ptr<float>(),
                bias.const_data_ptr<float>()};
    }

    static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              const std::optional<at::Tensor>& keep, std::int64_t groups, double epsilon)
    {
        const at::Tensor y = at::empty_like(x, at::MemoryFormat::ChannelsLast),
                         mean = at::empty({x.size(0), groups}, x.options().dtype(at::kFloat)), inverse = at::empty_like(mean);
        const auto kernel = kernelFor(x, weight, bias, groups, epsilon);
        if (x.scalar_type() == at::kFloat)
            sweepForward<float>(kernel, x, keep.value_or(at::Tensor()), y, mean, inverse);
        else
            sweepForward<kernels::BFloat16>(kernel, x, keep.value_or(at::Tensor()), y, mean, inverse);
        context->save_for_backward({x, weight, bias, mean, inverse, keep.value_or(at::Tensor())});
        context->saved_data["epsilon"] = epsilon;
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients)
    {
        const auto saved = context->get_saved_variables();
        const at::Tensor &x = saved[0], &mean = saved[3], &inverse = saved[4], &keep = saved[5];
        const at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast),
                         dx = at::empty_like(x, at::MemoryFormat::ChannelsLast),
                         dWeight = at::empty({x.size(0), x.size(1)}, mean.options()), dBias = at::empty_like(dWeight);
        const auto kernel = kernelFor(x, saved[1], saved[2], mean.size(1), context->saved_data["epsilon"].toDouble());
        if (x.scalar_type() == at::kFloat)
            sweepBackward<float>(kernel, x, keep, mean, inverse, dy, dx, dWeight, dBias);
        else
            sweepBackward<kernels::BFloat16>(kernel, x, keep, mean, inverse, dy, dx, dWeight, dBias);
        return {dx, dWeight.sum(0), dBias.sum(0), at::Tensor(), at::Tensor(), at::Tensor()};
    }

private:
    template <class T>
    static const T* in(const at::Tensor& tensor)
    {
        return static_cast<const T*>(tensor.const_data_ptr());
    }
    template <class T>
    static T* out(const at::Tensor& tensor)
    {
        return static_cast<T*>(tensor.mutable_data_ptr());
    }
    /// Calls image(b, mask of b) for every image of the batch, several at a time.
    template <class Image>
    static void overImages(const at::Tensor& keep, std::int64_t images, std::int64_t size, const Image& image)
    {
        const float* mask = keep.defined() ? in<float>(keep) : nullptr;
        at::parallel_for(0, images, 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t b = begin; b < end; ++b)
                image(b, mask ? mask + b * size : nullptr);
        });
    }

    template <class T>
    static void sweepForward(const kernels::NormSilu& kernel, const at::Tensor& x, const at::Tensor& keep, const at::Tensor& y,
                             const at::Tensor& mean, const at::Tensor& inverse)
    {
        const std::int64_t size = kernel.pixels * kernel.channels, groups = kernel.groups;
        overImages(keep, x.size(0), size,
                   [&, from = in<T>(x), to = out<T>(y), m = out<float>(mean), r = out<float>(inverse)](auto b, auto mask) {
                       kernel.forward(from + b * size, mask, to + b * size, m + b * groups, r + b * groups);
                   });
    }

    template <class T>
    static void sweepBackward(const kernels::NormSilu& kernel, const at::Tensor& x, const at::Tensor& keep, const at::Tensor& mean,
                              const at::Tensor& inverse, const at::Tensor& dy, const at::Tensor& dx, const at::Tensor& dWeight,
                              const at::Tensor& dBias)
    {
        const std::int64_t size = kernel.pixels * kernel.channels, groups = kernel.groups, channels = kernel.channels;
        overImages(keep, x.size(0), size,
                   [&, from = in<T>(x), m = in<float>(mean), r = in<float>(inverse), down = in<T>(dy), to = out<T>(dx),
                    w = out<float>(dWeight), s = out<float>(dBias)](auto b, auto mask) {
                       kernel.backward(from + b * size, mask, m + b * groups, r + b * groups, down + b * size, to + b * size,
                                       w + b * channels, s + b * channels);
                   });
    }
};

} // namespace

at::Tensor normSilu(const GroupNorm& norm, const at::Tensor& x, const at::Tensor& keep)
{
    const bool fits = x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
                      norm.weight.scalar_type() == at::kFloat && x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
                      (!keep.defined() || (keep.is_contiguous() && keep.scalar_type() == at::kFloat));
    if (fits)
        return Fused::apply(x, norm.weight, norm.bias, keep.defined() ? std::optional<at::Tensor>(keep) : std::nullopt, norm.groups(),
                            norm.epsilon());
    const at::Tensor y = at::silu(norm.forward(x));
    return keep.defined() ? y * keep.permute({0, 3, 1, 2}) : y;
}

} // namespace espalier::models
