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

InceptionSet::InceptionSet(std::shared_ptr<const models::Inception> network, const InceptionMetrics& metrics, parallel::Crew& crew)
    : m_crew(crew), m_network(std::move(network)), m_metrics(metrics), m_pool(models::Inception::kPool)
{
    if (metrics.sfid)
        m_spatial.emplace(models::Inception::kSpatial);
}

parallel::Crew::Work InceptionSet::workFor(const Json& ask, std::shared_ptr<const models::Inception> network, std::stop_token stop)
{
    const bool spatial = ask.value("spatial", false), logits = ask.value("logits", false);
    return [=, network = std::move(network)](const at::Tensor& images) -> Result<at::Tensor> {
        const c10::InferenceMode inference;
        if (stop.stop_requested())
            return cancelled();
        const auto seen = network->forward(models::inceptionInput(images.to(network->device()), models::InceptionResize::Tf1), spatial);
        std::vector<at::Tensor> columns{seen.pool};
        if (spatial)
            columns.push_back(seen.spatial);
        if (logits)
            columns.push_back(network->logitsWithoutBias(seen.pool));
        return at::cat(columns, 1).cpu(); // [n, 2048 + 2023 + 1008]
    };
}

Result<Done> InceptionSet::add(const at::Tensor& images, const Tick& tick, std::stop_token stop)
{
    const c10::InferenceMode inference;
    const Json ask{{"work", kAsk}, {"spatial", m_spatial.has_value()}, {"logits", m_metrics.inceptionScore}};
    return m_crew.map(ask, images, batchOn(m_network->device()), workFor(ask, m_network, stop),
                      [&](std::int64_t, const at::Tensor& made) -> Result<Done> {
                          const auto pool = made.narrow(1, 0, models::Inception::kPool);
                          m_pool.add(pool);
                          if (m_spatial)
                              m_spatial->add(made.narrow(1, models::Inception::kPool, models::Inception::kSpatial));
                          if (m_metrics.needsImagesOfReference())
                              m_features.push_back(pool.contiguous());
                          if (m_metrics.inceptionScore)
                              m_logits.push_back(
                                  made.narrow(1, made.size(1) - models::Inception::kClasses, models::Inception::kClasses).contiguous());
                          if (tick)
                              tick();
                          return Done{};
                      });
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
