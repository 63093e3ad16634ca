// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/inception_metrics.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace espalier::evaluation {
namespace {

std::int64_t batchOn(at::Device device)
{
    return device.is_cuda() ? 128 : 16; // of 299x299 pixels: about 2 GB, and 0.3 GB
}

Error cancelled()
{
    return {ErrorCode::Cancelled, "The evaluation was stopped before its numbers were there.", {}};
}

} // namespace

InceptionSet::InceptionSet(std::shared_ptr<const models::Inception> network, const InceptionMetrics& metrics)
    : m_network(std::move(network)), m_metrics(metrics), m_pool(models::Inception::kPool)
{
    if (metrics.sfid)
        m_spatial.emplace(models::Inception::kSpatial);
}

Result<Done> InceptionSet::add(const at::Tensor& images, const Tick& tick, std::stop_token stop)
{
    const c10::InferenceMode inference;
    const auto batch = batchOn(m_network->device());
    for (std::int64_t from = 0; from < images.size(0); from += batch) {
        if (stop.stop_requested())
            return cancelled();
        const auto part = images.narrow(0, from, std::min(batch, images.size(0) - from)).to(m_network->device());
        const auto seen = m_network->forward(models::inceptionInput(part, models::InceptionResize::Tf1), static_cast<bool>(m_spatial));
        m_pool.add(seen.pool);
        if (m_spatial)
            m_spatial->add(seen.spatial);
        if (m_metrics.needsImagesOfReference())
            m_features.push_back(seen.pool.cpu());
        if (m_metrics.inceptionScore)
            m_logits.push_back(m_network->logitsWithoutBias(seen.pool).cpu());
        if (tick)
            tick();
    }
    return Done{};
}

at::Tensor InceptionSet::features() const
{
    return at::cat(m_features);
}

at::Tensor InceptionSet::logits() const
{
    return at::cat(m_logits);
}

InceptionReference referenceOf(const InceptionSet& set, const InceptionMetrics& metrics)
{
    InceptionReference reference;
    if (metrics.fid)
        reference.pool = set.pool();
    if (metrics.sfid)
        reference.spatial = set.spatial();
    if (metrics.needsImagesOfReference())
        reference.features = set.features();
    return reference;
}

Result<InceptionScores> scoresOf(const InceptionSet& samples, const InceptionReference& reference, const InceptionMetrics& metrics,
                                 at::Device device, const InceptionSet::Tick& tick, std::stop_token stop)
{
    InceptionScores scores;
    const auto step = [&] {
        if (tick)
            tick();
    };
    if (metrics.inceptionScore)
        scores.inceptionScore = inceptionScore(samples.logits(), chunksOf(samples.count()));
    step();
    if (metrics.fid)
        scores.fid = frechetDistance(samples.pool(), *reference.pool);
    step();
    if (metrics.sfid)
        scores.sfid = frechetDistance(samples.spatial(), *reference.spatial);
    step();
    if (!metrics.needsImagesOfReference())
        return scores;
    const auto real = reference.features.to(device), drawn = samples.features().to(device);
    if (metrics.precisionRecall) {
        const auto both = precisionRecall(real, drawn, 3, tick, stop);
        if (!both)
            return both.error();
        scores.precisionRecall = *both;
    }
    if (stop.stop_requested())
        return cancelled();
    if (metrics.kid) {
        const auto kid = kernelDistance(drawn, real);
        if (!kid)
            return kid.error();
        scores.kid = *kid;
    }
    return scores;
}

} // namespace espalier::evaluation
