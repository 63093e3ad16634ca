// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/classification.h"

#include <ATen/ATen.h>

namespace espalier::evaluation {

ClassificationCounts::ClassificationCounts(std::int64_t classes) : m_confusion(at::zeros({classes, classes}, at::kLong)) {}

void ClassificationCounts::add(const at::Tensor& scores, const at::Tensor& labels)
{
    const c10::InferenceMode inference;
    m_count += scores.size(0);
    const auto fine = scores.isnan().any(1).logical_not();
    const auto s = scores.index({fine}), target = labels.index({fine});
    m_notFinite += scores.size(0) - s.size(0);
    if (s.size(0) == 0)
        return;
    const auto classes = m_confusion.size(0);
    const auto index = at::arange(classes, target.options()).unsqueeze(0); // [1, classes]
    const auto own = s.gather(1, target.unsqueeze(1));
    const auto before = (s > own).logical_or((s == own).logical_and(index < target.unsqueeze(1))); // what stands before the true class
    const auto rank = before.sum(1);
    m_top1 += (rank < 1).sum().item<std::int64_t>();
    m_top5 += (rank < 5).sum().item<std::int64_t>();
    const auto best = at::where(s == s.amax(1, true), index, classes).amin(1);
    m_confusion += (target * classes + best).cpu().bincount({}, classes * classes).view({classes, classes});
}

} // namespace espalier::evaluation
