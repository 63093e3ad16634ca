// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/statistics.h"

#include <ATen/ATen.h>

#include <cassert>
#include <cmath>
#include <limits>

namespace espalier::evaluation {
namespace {

/// F [d, rank] with F F^T = S. Eigenvalues below d eps times the largest are rounding noise of a rank-deficient matrix: they are left out.
at::Tensor factor(const at::Tensor& symmetric)
{
    const auto [values, vectors] = at::linalg_eigh((symmetric + symmetric.t()) / 2, "L"); // ascending
    const auto d = values.size(0);
    const double largest = d ? values[d - 1].item<double>() : 0.0;
    const double least = static_cast<double>(d) * std::numeric_limits<double>::epsilon() * std::max(largest, 0.0);
    const auto rank = (values > least).sum().item<std::int64_t>();
    return vectors.narrow(1, d - rank, rank) * values.narrow(0, d - rank, rank).sqrt();
}

} // namespace

FeatureStatistics::FeatureStatistics(std::int64_t dimensions)
    : m_sum(at::zeros({dimensions}, at::kDouble)), m_products(at::zeros({dimensions, dimensions}, at::kDouble))
{
}

void FeatureStatistics::add(const at::Tensor& features)
{
    if (features.size(0) == 0)
        return;
    assert(features.dim() == 2 && features.size(1) == m_sum.size(0));
    const auto rows = features.detach().to(at::kCPU, at::kDouble);
    if (!m_shift.defined())
        m_shift = rows.mean(0);
    const auto shifted = rows - m_shift;
    m_sum += shifted.sum(0);
    m_products.addmm_(shifted.t(), shifted);
    m_count += rows.size(0);
}

at::Tensor FeatureStatistics::mean() const
{
    return m_count ? m_shift + m_sum / static_cast<double>(m_count) : m_sum;
}

at::Tensor FeatureStatistics::covariance() const
{
    const auto n = static_cast<double>(m_count);
    return (m_products - at::outer(m_sum, m_sum) / std::max(n, 1.0)) / std::max(n - 1.0, 1.0);
}

double frechetDistance(const Gaussian& a, const Gaussian& b)
{
    // Singular values, not the square roots of eigenvalues: a root would turn rounding noise of 1e-16 into 1e-8.
    const auto product = factor(a.covariance).t().matmul(factor(b.covariance)); // [rank, rank]
    const double cross = product.numel() ? at::linalg_svdvals(product).sum().item<double>() : 0.0;
    const double means = (a.mean - b.mean).square().sum().item<double>();
    return means + at::trace(a.covariance).item<double>() + at::trace(b.covariance).item<double>() - 2.0 * cross;
}

double frechetDistanceOfFewSamples(const at::Tensor& a, const at::Tensor& b)
{
    const auto x = a.to(at::kDouble), y = b.to(at::kDouble);
    const auto meanX = x.mean(0), meanY = y.mean(0);
    const auto cx = x - meanX, cy = y - meanY;
    const double n = static_cast<double>(x.size(0) - 1), m = static_cast<double>(y.size(0) - 1);
    const double cross = at::linalg_svdvals(cx.matmul(cy.t())).sum().item<double>() / std::sqrt(n * m);
    return (meanX - meanY).square().sum().item<double>() + cx.square().sum().item<double>() / n + cy.square().sum().item<double>() / m -
           2.0 * cross;
}

Spread spreadOf(std::span<const double> values, bool ofSample)
{
    Spread spread;
    const auto n = static_cast<double>(values.size());
    for (const double value : values)
        spread.mean += value / n;
    for (const double value : values)
        spread.deviation += (value - spread.mean) * (value - spread.mean) / (ofSample ? n - 1.0 : n);
    spread.deviation = std::sqrt(spread.deviation);
    return spread;
}

} // namespace espalier::evaluation
