// SPDX-License-Identifier: Apache-2.0
#include "core/growth/proxies.h"

#include "core/models/transformer.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier::growth {
namespace {

constexpr double kWorst = -std::numeric_limits<double>::infinity();
constexpr double kRankTolerance = 1e-12; // of the largest eigenvalue: below it the smallest is rounding
constexpr std::int64_t kColumns = std::int64_t{1} << 22;

std::vector<at::Tensor> gradientsOf(const at::Tensor& value, const std::vector<at::Tensor>& weights)
{
    if (!value.requires_grad())
        return std::vector<at::Tensor>(weights.size());
    return torch::autograd::grad({value}, weights, {}, std::nullopt, false, /*allow_unused=*/true);
}

/// Sample i alone: what is drawn for it depends on its slot, not on its neighbours.
tensors::Batch sampleOf(const tensors::Batch& batch, std::int64_t i)
{
    const auto row = [i](const at::Tensor& tensor) { return tensor.defined() ? tensor.narrow(0, i, 1) : tensor; };
    return {row(batch.x), row(batch.t), row(batch.labels), row(batch.targets)};
}

tensors::Draws sampleOf(const tensors::Draws& draws, std::int64_t i)
{
    auto own = draws;
    if (own.slot.defined())
        own.slot = own.slot.narrow(0, i, 1);
    return own;
}

/// Adds the inner products of a weight's gradients, float [B, n], in double.
void addProducts(at::Tensor& kernel, const at::Tensor& rows)
{
    for (std::int64_t begin = 0; begin < rows.size(1); begin += kColumns) {
        const auto part = rows.narrow(1, begin, std::min(kColumns, rows.size(1) - begin)).to(at::kDouble);
        kernel.addmm_(part, part.t());
    }
}

at::Tensor weightOf(const torch::nn::Module& module)
{
    const auto* linear = dynamic_cast<const models::Linear*>(&module);
    const auto* conv = dynamic_cast<const models::Conv2d*>(&module);
    const auto* patches = dynamic_cast<const models::PatchEmbedding*>(&module); // published as a convolution
    return linear ? linear->weight : conv ? conv->weight : patches ? patches->weight : at::Tensor();
}

} // namespace

at::Tensor tangentKernel(models::Model& model, const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws,
                         std::int64_t mostElements)
{
    const at::AutoGradMode differentiate(true);
    const auto samples = batch.x.size(0);
    auto kernel = at::zeros({samples, samples}, batch.x.options().dtype(at::kDouble));
    std::vector<at::Tensor> weights;
    for (const auto& item : model.named_parameters())
        if (item.value().requires_grad() && item.key().find("weight") != std::string::npos)
            weights.push_back(item.value());
    std::vector<std::int64_t> sizes;
    for (const auto& weight : weights)
        sizes.push_back(weight.numel());
    auto next = weights.begin();
    for (const auto count : plan::kernelPasses(sizes, samples, mostElements)) {
        const std::vector<at::Tensor> chunk(next, next + static_cast<std::ptrdiff_t>(count));
        next += static_cast<std::ptrdiff_t>(count);
        std::vector<std::vector<at::Tensor>> gradients;
        for (std::int64_t i = 0; i < samples; ++i)
            gradients.push_back(gradientsOf(model.forward(sampleOf(batch, i), path, sampleOf(draws, i)).sum(), chunk));
        for (std::size_t w = 0; w < chunk.size(); ++w) {
            if (!gradients.front()[w].defined())
                continue;
            std::vector<at::Tensor> rows;
            for (const auto& ofSample : gradients)
                rows.push_back(ofSample[w].flatten());
            addProducts(kernel, at::stack(rows));
        }
    }
    return kernel.to(at::kCPU);
}

double conditionScore(const at::Tensor& kernel)
{
    if (kernel.numel() == 0 || !kernel.isfinite().all().item<bool>())
        return kWorst;
    const auto eigenvalues = at::linalg_eigvalsh(kernel.to(at::kCPU, at::kDouble)); // ascending
    const double least = eigenvalues[0].item<double>(), most = eigenvalues[-1].item<double>();
    if (!std::isfinite(least) || !std::isfinite(most) || least <= kRankTolerance * most)
        return kWorst;
    return -most / least;
}

double ntkScore(models::Model& model, const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws)
{
    return conditionScore(tangentKernel(model, batch, path, draws));
}

double zicoOf(const std::vector<std::vector<at::Tensor>>& gradients)
{
    const at::NoGradGuard noGrad;
    double score = 0.0;
    for (const auto& ofModule : gradients) {
        std::vector<at::Tensor> rows;
        for (const auto& gradient : ofModule)
            rows.push_back(gradient.flatten().to(at::kDouble));
        const auto all = at::stack(rows); // [batches, elements]
        if (!all.isfinite().all().item<bool>())
            return kWorst;
        const auto deviation = all.std(0, /*unbiased=*/false);
        const auto differs = (all != all[0]).any(0).logical_and(deviation > 0);
        const double sum = (all.abs().mean(0) / deviation).masked_fill(differs.logical_not(), 0.0).sum().item<double>();
        if (sum > 0.0)
            score += std::log(sum);
    }
    return score;
}

double zicoScore(models::Model& model, models::Objective& objective, std::span<const tensors::Batch> batches, const tensors::Path& path,
                 std::span<const tensors::Draws> draws)
{
    TORCH_CHECK(batches.size() == draws.size(), "A bug: ZiCo needs draws for each batch.");
    const at::AutoGradMode differentiate(true);
    std::vector<at::Tensor> weights;
    for (const auto& module : model.modules())
        if (const auto weight = weightOf(*module); weight.defined() && weight.requires_grad())
            weights.push_back(weight);
    std::vector<std::vector<at::Tensor>> ofBatch;
    for (std::size_t k = 0; k < batches.size() && !weights.empty(); ++k)
        ofBatch.push_back(gradientsOf(objective(model, batches[k], path, draws[k]).loss, weights));
    std::vector<std::vector<at::Tensor>> gradients;
    for (std::size_t m = 0; m < weights.size(); ++m) {
        std::vector<at::Tensor> ofModule;
        for (const auto& found : ofBatch)
            if (found[m].defined())
                ofModule.push_back(found[m]);
        if (!ofModule.empty() && ofModule.size() == ofBatch.size())
            gradients.push_back(std::move(ofModule));
    }
    return zicoOf(gradients);
}

} // namespace espalier::growth
