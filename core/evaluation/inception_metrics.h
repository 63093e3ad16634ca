// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/evaluation/inception_score.h"
#include "core/evaluation/kernel_distance.h"
#include "core/evaluation/precision_recall.h"
#include "core/evaluation/statistics.h"
#include "core/models/inception.h"
#include "core/parallel/crew.h"

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

namespace espalier::evaluation {

/// What can be measured on the features of the Inception network.
struct InceptionMetrics {
    bool fid = false, sfid = false, inceptionScore = false, precisionRecall = false, kid = false;

    bool needsImagesOfReference() const { return precisionRecall || kid; } // statistics alone are not enough
    bool needsReference() const { return fid || sfid || needsImagesOfReference(); }
};

/// The features of a set of images, gathered batch by batch; statistics in float64.
class InceptionSet {
public:
    using Tick = std::function<void()>; // called now and then, so that a watchdog sees life

    /// The crew, which must outlive the set, makes features together.
    InceptionSet(std::shared_ptr<const models::Inception> network, const InceptionMetrics& metrics, parallel::Crew& crew);
    /// images: uint8 [n, h, w, 3] on the CPU.
    Result<Done> add(const at::Tensor& images, const Tick& tick, std::stop_token stop);

    std::int64_t count() const { return m_pool.count(); }
    Gaussian pool() const { return {m_pool.mean(), m_pool.covariance()}; }
    Gaussian spatial() const { return {m_spatial->mean(), m_spatial->covariance()}; }
    /// Of every image, on the CPU: float32 [n, 2048] and the logits that the Inception Score is made of. Kept only where the metrics ask.
    at::Tensor features() const;
    at::Tensor logits() const;

    /// What the other ranks are asked for.
    static constexpr const char* kAsk = "inception features";
    static parallel::Crew::Work workFor(const Json& ask, std::shared_ptr<const models::Inception> network, std::stop_token stop);

private:
    parallel::Crew& m_crew;
    std::shared_ptr<const models::Inception> m_network;
    InceptionMetrics m_metrics;
    FeatureStatistics m_pool;
    std::optional<FeatureStatistics> m_spatial;
    std::vector<at::Tensor> m_features, m_logits;
};

/// What samples are compared with: of a set of images, or statistics from a file.
struct InceptionReference {
    std::optional<Gaussian> pool, spatial;
    at::Tensor features; // float32 [m, 2048]; undefined where there are statistics alone
};
InceptionReference referenceOf(const InceptionSet& set, const InceptionMetrics& metrics);

struct InceptionScores {
    std::optional<double> fid, sfid;
    std::optional<InceptionScore> inceptionScore;
    std::optional<PrecisionRecall> precisionRecall;
    std::optional<KernelDistance> kid;
};

/// The numbers asked for. The reference has to hold what they need. Heavy parts run on the network's device.
Result<InceptionScores> scoresOf(const InceptionSet& samples, const InceptionReference& reference, const InceptionMetrics& metrics,
                                 at::Device device, const InceptionSet::Tick& tick, std::stop_token stop);

} // namespace espalier::evaluation
