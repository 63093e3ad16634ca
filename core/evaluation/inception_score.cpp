// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/inception_score.h"

#include "core/evaluation/statistics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace espalier::evaluation {

std::vector<std::int64_t> chunksOf(std::int64_t count, std::int64_t size)
{
    std::vector<std::int64_t> ends;
    for (std::int64_t end = size; end < count; end += size)
        ends.push_back(end);
    ends.push_back(count);
    return ends;
}

std::vector<std::int64_t> equalChunks(std::int64_t count, std::int64_t splits)
{
    splits = std::clamp<std::int64_t>(splits, 1, std::max<std::int64_t>(count, 1));
    std::vector<std::int64_t> ends;
    for (std::int64_t i = 1; i <= splits; ++i)
        ends.push_back(i * count / splits);
    return ends;
}

InceptionScore inceptionScore(const at::Tensor& logits, const std::vector<std::int64_t>& chunkEnds)
{
    const c10::InferenceMode inference;
    std::vector<double> scores;
    std::int64_t from = 0;
    for (const auto end : chunkEnds) {
        const auto logP = at::log_softmax(logits.narrow(0, from, end - from).to(at::kCPU, at::kDouble), 1); // [n, classes]
        const auto p = logP.exp(), mean = p.mean(0);
        // Both terms with 0 log 0 = 0: xlogy says so, and p is 0 wherever its logarithm is beyond double.
        const auto divergence = at::where(p > 0, p * logP, at::zeros_like(p)).sum(1).mean() - at::xlogy(mean, mean).sum();
        scores.push_back(std::exp(divergence.item<double>()));
        from = end;
    }
    const auto [mean, deviation] = spreadOf(scores);
    return {mean, deviation};
}

} // namespace espalier::evaluation
