// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/worker/given_images.h"
#include "app/worker/job.h"

#include "core/evaluation/inception_metrics.h"

#include <optional>
#include <string>
#include <vector>

namespace espalier::worker {

/// "fid,sfid,is,pr,kid" as typed: the names in that order, and what they ask for.
struct MetricNames {
    std::vector<std::string> names;
    evaluation::InceptionMetrics metrics;

    /// Nothing when it is "fd", which is not measured on the Inception network.
    static Result<std::optional<MetricNames>> of(const std::string& metric, const std::string& features);
};

/// The network of --features.
Result<evaluation::InceptionFile> openFeatures(const std::string& file, at::Device device);

/// Measures sets of images on the Inception network, against real ones that are looked at once. The crew makes features together.
class InceptionJudge {
public:
    /// `file`: the weights of the network.
    static Result<InceptionJudge> open(MetricNames asked, const std::string& file, at::Device device, parallel::Crew& crew,
                                       JobContext& context);

    /// Compares with an npz or a folder: all its images, and of an npz that holds statistics these for fid and sfid. `side` is what a
    /// folder's images are brought to; other images must have it.
    Result<Done> against(const GivenImages& reference, std::int64_t side);
    /// Compares with `count` training images; the floor of fid is as many test images (other training images without a test split).
    Result<Done> against(const data::Dataset& train, const data::Dataset* test, std::int64_t count);

    /// Looks at images: given ones, in batches, or drawn ones. May be called once.
    Result<generation::SetScore> judge(const GivenImages& images, std::int64_t side, std::int64_t count);
    Result<generation::SetScore> judge(const at::Tensor& images);

    /// A set with real images would be needed, and none was named.
    bool needsReference() const { return m_asked.metrics.needsReference(); }

private:
    InceptionJudge(MetricNames asked, evaluation::InceptionFile inception, at::Device device, parallel::Crew& crew, JobContext& context)
        : m_asked(std::move(asked)), m_inception(std::move(inception)), m_device(device), m_crew(crew), m_context(context)
    {
    }
    evaluation::InceptionSet::Tick tick(const char* what) const;
    Result<Done> look(evaluation::InceptionSet& set, const GivenImages& images, std::int64_t side, std::int64_t count, const char* what);
    Result<generation::SetScore> score(const evaluation::InceptionSet& samples);

    MetricNames m_asked;
    evaluation::InceptionFile m_inception;
    at::Device m_device;
    parallel::Crew& m_crew;
    JobContext& m_context;
    evaluation::InceptionReference m_reference;
    std::int64_t m_referenceImages = 0; // 0: statistics from a file
    std::optional<double> m_floor;
};

/// What a job answers for such a score.
Json numbersOf(const generation::SetScore& score);

} // namespace espalier::worker
