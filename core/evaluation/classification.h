// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace espalier::evaluation {

/// How well a classifier does, gathered batch by batch. Among equal scores the lowest class comes first, so that the numbers are the same
/// everywhere. An image whose scores hold a NaN counts as wrong and is told apart: it is in no row of the confusion matrix.
class ClassificationCounts {
public:
    explicit ClassificationCounts(std::int64_t classes);
    /// How each image fares, int64 [n, 3] on the CPU: its class, the best scored one (-1 where there is a NaN), and how many classes come
    /// before its own. scores: [n, classes] of any floating type, labels: int64 [n]; on the same device.
    static at::Tensor outcomesOf(const at::Tensor& scores, const at::Tensor& labels);
    void add(const at::Tensor& outcomes);

    std::int64_t count() const { return m_count; }
    std::int64_t notFinite() const { return m_notFinite; }
    /// Images whose class is the best scored, or among the five best.
    std::int64_t top1() const { return m_top1; }
    std::int64_t top5() const { return m_top5; }
    /// int64 [classes, classes] on the CPU: rows are the true classes, columns the predicted ones.
    const at::Tensor& confusion() const { return m_confusion; }

private:
    std::int64_t m_count = 0, m_notFinite = 0, m_top1 = 0, m_top5 = 0;
    at::Tensor m_confusion;
};

} // namespace espalier::evaluation
