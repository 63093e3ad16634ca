// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace espalier::evaluation {

/// How far generated images are from the training images nearest to them, so that copying shows.
/// Distances are root mean squares over pixels and channels in units of 0..255.
struct NearestImages {
    double median = 0.0;
    double least = 0.0;
    double share = 0.0; // of samples that lie nearer to a training image than `copyDistance`
    std::int64_t leastSample = -1, leastTraining = -1;
};

/// Gathers, training batch by training batch, the nearest neighbour of each sample.
class NearestSearch {
public:
    static constexpr double kCopyDistance = 8.0; // of 255: closer than JPEG noise at ordinary quality
    /// samples: uint8 [n, h, w, 3].
    explicit NearestSearch(const at::Tensor& samples);
    /// training: uint8 [m, h, w, 3], images `first` … first + m - 1 of the set.
    void add(const at::Tensor& training, std::int64_t first);
    NearestImages result() const;

private:
    at::Tensor m_samples, m_squares, m_best, m_index; // float32 [n, d], float64 [n], float64 [n], int64 [n]
};

} // namespace espalier::evaluation
