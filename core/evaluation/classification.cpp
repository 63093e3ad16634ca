// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/classification.h"

#include <ATen/ATen.h>

namespace espalier::evaluation {

ClassificationCounts::ClassificationCounts(std::int64_t classes) : m_confusion(at::zeros({classes, classes}, at::kLong)) {}

at::Tensor ClassificationCounts::outcomesOf(const at::Tensor& scores, const at::Tensor& labels)
{
    const c10::InferenceMode inference;
    const auto classes = scores.size(1);
    const auto index = at::arange(classes, labels.options()).unsqueeze(0); // [1, classes]
    const auto own = scores.gather(1, labels.unsqueeze(1));
    const auto before =
        (scores > own).logical_or((scores == own).logical_and(index < labels.unsqueeze(1))); // what stands before the true class
    const auto best = at::where(scores == scores.amax(1, true), index, classes).amin(1);
    return at::stack({labels, at::where(scores.isnan().any(1), at::full_like(best, -1), best), before.sum(1)}, 1).cpu();
}

void ClassificationCounts::add(const at::Tensor& outcomes)
{
    const c10::InferenceMode inference;
    m_count += outcomes.size(0);
    const auto fine = outcomes.index({outcomes.select(1, 1) >= 0});
    m_notFinite += outcomes.size(0) - fine.size(0);
    if (fine.size(0) == 0)
        return;
    const auto classes = m_confusion.size(0);
    const auto label = fine.select(1, 0), best = fine.select(1, 1), rank = fine.select(1, 2);
    m_top1 += (rank < 1).sum().item<std::int64_t>();
    m_top5 += (rank < 5).sum().item<std::int64_t>();
    m_confusion += (label * classes + best).bincount({}, classes * classes).view({classes, classes});
}

} // namespace espalier::evaluation
