// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace espalier::evaluation {

/// Mean and covariance of feature vectors, gathered batch by batch in float64 (metrics.md section 2).
class FeatureStatistics {
public:
    explicit FeatureStatistics(std::int64_t dimensions);
    /// features: [n, dimensions], any floating type.
    void add(const at::Tensor& features);

    std::int64_t count() const { return m_count; }
    at::Tensor mean() const;       // float64 [d]
    at::Tensor covariance() const; // float64 [d, d], divisor N - 1

private:
    std::int64_t m_count = 0;
    at::Tensor m_sum, m_products, m_shift; // shifted by the first batch's mean, so that nothing large is subtracted
};

/// Mean of values and how far they stray from it: divisor N, or N - 1 where the values are a sample of others. Nothing of nothing.
struct Spread {
    double mean = 0.0, deviation = 0.0;
};
Spread spreadOf(std::span<const double> values, bool ofSample = false);

/// A Gaussian that stands for a set of images.
struct Gaussian {
    at::Tensor mean, covariance; // float64 [d], [d, d]
};

/// |mu1 - mu2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2): with S = F F^T from symmetric eigendecompositions, the last trace is the sum of the
/// singular values of F1^T F2. Finite for covariances of any rank; can come out as a tiny negative number for equal sets.
double frechetDistance(const Gaussian& a, const Gaussian& b);

/// The same from few samples, exactly: features [n, d] and [m, d] with n, m below d (metrics.md section 2.1, step 3).
double frechetDistanceOfFewSamples(const at::Tensor& a, const at::Tensor& b);

} // namespace espalier::evaluation
