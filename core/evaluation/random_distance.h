// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/evaluation/random_features.h"
#include "core/evaluation/statistics.h"
#include "core/parallel/crew.h"

#include <functional>
#include <vector>

namespace espalier::evaluation {

/// FD: the Fréchet distance on random features, in per cent of the total variance (the trace of the covariance) of the real images'
/// features, mean over five networks: so the networks count alike, however strongly their weights happen to amplify. Never to be called
/// FID.
class RandomDistance {
public:
    struct Score {
        double value = 0.0;  // mean over the seeds of RandomFeatures
        double spread = 0.0; // standard deviation over them
    };
    /// Called now and then while features are made, so that a watchdog sees life.
    using Tick = std::function<void()>;

    /// `real`: uint8 [n, h, w, 3], the images that others are compared with. The crew makes features together.
    static Result<RandomDistance> make(const at::Tensor& real, at::Device device, parallel::Crew& crew, const Tick& tick = {});
    /// Of images to the real ones; compare only equal numbers of images. Rank-safe: any n ≥ 2 works.
    Result<Score> operator()(const at::Tensor& images, parallel::Crew& crew, const Tick& tick = {}) const;
    /// What the other ranks are asked for.
    static constexpr const char* kAsk = "random features";
    static parallel::Crew::Work workFor(const Json& ask, at::Device device);

    /// Uniform noise pictures: their distance is the ceiling. uint8 [n, h, w, 3], image i a function of i.
    static at::Tensor noise(std::int64_t count, std::int64_t height, std::int64_t width);

private:
    RandomDistance() = default;
    Result<Gaussian> gaussianOf(std::size_t network, const at::Tensor& images, parallel::Crew& crew, const Tick& tick) const;

    std::vector<RandomFeatures> m_networks;
    std::vector<Gaussian> m_real;
};

} // namespace espalier::evaluation
