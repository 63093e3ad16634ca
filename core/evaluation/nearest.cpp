// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/nearest.h"

#include <ATen/ATen.h>

#include <limits>

namespace espalier::evaluation {

NearestSearch::NearestSearch(const at::Tensor& samples)
    : m_samples(samples.to(at::kCPU, at::kFloat).sub(127.5).flatten(1)), m_squares(m_samples.to(at::kDouble).square().sum(1)),
      m_best(at::full({samples.size(0)}, std::numeric_limits<double>::infinity(), at::kDouble)),
      m_index(at::full({samples.size(0)}, -1, at::kLong))
{
}

void NearestSearch::add(const at::Tensor& training, std::int64_t first)
{
    if (training.size(0) == 0 || m_samples.size(0) == 0)
        return;
    const c10::InferenceMode inference;
    const auto rows = training.to(at::kCPU, at::kFloat).sub(127.5).flatten(1); // [m, d]
    const auto squares = rows.to(at::kDouble).square().sum(1);
    const auto products = m_samples.matmul(rows.t()).to(at::kDouble); // [n, m]
    const auto distances = (m_squares.unsqueeze(1) - products * 2.0 + squares.unsqueeze(0)).clamp_min(0.0);
    auto [least, index] = distances.min(1);
    const auto nearer = least < m_best;
    m_best = at::where(nearer, least, m_best);
    m_index = at::where(nearer, index + first, m_index);
}

NearestImages NearestSearch::result() const
{
    NearestImages nearest;
    if (m_best.numel() == 0)
        return nearest;
    const auto distances = (m_best / static_cast<double>(m_samples.size(1))).sqrt();
    nearest.median = distances.median().item<double>();
    nearest.leastSample = distances.argmin().item<std::int64_t>();
    nearest.least = distances[nearest.leastSample].item<double>();
    nearest.leastTraining = m_index[nearest.leastSample].item<std::int64_t>();
    nearest.share = (distances < kCopyDistance).to(at::kDouble).mean().item<double>();
    return nearest;
}

} // namespace espalier::evaluation
