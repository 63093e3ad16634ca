// SPDX-License-Identifier: Apache-2.0
#include "app/worker/inception_scores.h"

#include "core/evaluation/reference_statistics.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <limits>
#include <sstream>

namespace espalier::worker {
namespace {

constexpr std::pair<const char*, bool evaluation::InceptionMetrics::*> kNames[] = {{"fid", &evaluation::InceptionMetrics::fid},
                                                                                   {"sfid", &evaluation::InceptionMetrics::sfid},
                                                                                   {"is", &evaluation::InceptionMetrics::inceptionScore},
                                                                                   {"pr", &evaluation::InceptionMetrics::precisionRecall},
                                                                                   {"kid", &evaluation::InceptionMetrics::kid}};

/// The number that stands for a metric where there is room for one.
double leadOf(const std::string& name, const evaluation::InceptionScores& scores)
{
    return name == "fid"    ? *scores.fid
           : name == "sfid" ? *scores.sfid
           : name == "is"   ? scores.inceptionScore->mean
           : name == "pr"   ? scores.precisionRecall->precision
                            : scores.kid->mean;
}

std::optional<double> spreadOf(const std::string& name, const evaluation::InceptionScores& scores)
{
    if (name == "is")
        return scores.inceptionScore->deviation;
    return name == "kid" ? std::optional(scores.kid->deviation) : std::nullopt;
}

Json allOf(const evaluation::InceptionScores& scores)
{
    Json json = Json::object();
    if (scores.fid)
        json["fid"] = *scores.fid;
    if (scores.sfid)
        json["sfid"] = *scores.sfid;
    if (const auto& is = scores.inceptionScore) {
        json["inception_score"] = is->mean;
        json["inception_score_deviation"] = is->deviation;
    }
    if (const auto& pr = scores.precisionRecall) {
        json["precision"] = pr->precision;
        json["recall"] = pr->recall;
        json["density"] = pr->density;
        json["coverage"] = pr->coverage;
    }
    if (const auto& kid = scores.kid) {
        json["kid"] = kid->mean;
        json["kid_deviation"] = kid->deviation;
        json["kid_subset_size"] = kid->subsetSize;
    }
    return json;
}

Error needs(const GivenImages& reference, const std::string& what)
{
    return {ErrorCode::Usage, fmt::format("{}: {} {}", reference.flag, reference.path.string(), what), {}};
}

} // namespace

Result<std::optional<MetricNames>> MetricNames::of(const std::string& metric, const std::string& features)
{
    if (metric == "fd" && features == "random")
        return std::optional<MetricNames>();
    MetricNames asked;
    std::istringstream list(metric);
    for (std::string name; std::getline(list, name, ',');) {
        const auto* known = std::find_if(std::begin(kNames), std::end(kNames), [&](const auto& each) { return each.first == name; });
        if (name == "fd")
            return Error{ErrorCode::Usage, "fd is measured on random features, and alone. Leave --features out, or give random.", {}};
        if (known == std::end(kNames))
            return Error{ErrorCode::Usage,
                         fmt::format("--metrics {}: this version does not measure that. Known: fd, fid, sfid, is, pr and kid.", name),
                         {}};
        if (features == "random")
            return Error{ErrorCode::Usage,
                         name == "fid"
                             ? "Distances on random features are FD, never FID: use --metrics fd, or name the Inception network's "
                               "weights file with --features."
                             : fmt::format("--metrics {} needs the Inception network: name its weights file with --features.", name),
                         {}};
        if (!std::exchange(asked.metrics.*(known->second), true))
            asked.names.push_back(name);
    }
    if (asked.names.empty())
        return Error{ErrorCode::Usage, "--metrics names none. Known: fd, fid, sfid, is, pr and kid.", {}};
    return std::optional(std::move(asked));
}

Result<evaluation::InceptionFile> openFeatures(const std::string& file, at::Device device)
{
    auto inception = evaluation::openInception(file, device);
    return inception ? std::move(inception)
                     : Result<evaluation::InceptionFile>(
                           Error{inception.error().code, "--features: " + inception.error().message, inception.error().detail});
}

Result<InceptionJudge> InceptionJudge::open(MetricNames asked, const std::string& file, at::Device device, parallel::Crew& crew,
                                            JobContext& context)
{
    auto inception = openFeatures(file, device);
    if (!inception)
        return inception.error();
    return InceptionJudge(std::move(asked), *std::move(inception), device, crew, context);
}

evaluation::InceptionSet::Tick InceptionJudge::tick(const char* what) const
{
    return [this, what] { m_context.link.progress(0, 0, what); };
}

Result<Done> InceptionJudge::look(evaluation::InceptionSet& set, const GivenImages& images, std::int64_t side, std::int64_t count,
                                  const char* what)
{
    const auto stop = m_context.link.stopToken();
    return images.visit(side, count, m_context.log, stop, [&](const at::Tensor& batch) -> Result<Done> {
        if (batch.size(1) != side || batch.size(2) != side)
            return otherSize(images, batch, side, side);
        return set.add(batch, tick(what), stop);
    });
}

Result<Done> InceptionJudge::against(const GivenImages& reference, std::int64_t side)
{
    auto metrics = m_asked.metrics;
    if (reference.isNpz()) {
        const auto file = formats::NpzReader::open(reference.path);
        if (!file)
            return file.error();
        auto statistics = evaluation::readReferenceStatistics(*file, reference.path);
        if (!statistics)
            return Error{statistics.error().code, fmt::format("{}: {}", reference.flag, statistics.error().message), {}};
        if (statistics->has_value()) {
            if (metrics.sfid && !(*statistics)->spatial)
                return needs(reference,
                             "holds no statistics of spatial features (mu_s, sigma_s): leave sfid out, or name a set of images.");
            if (metrics.needsImagesOfReference() && !file->find("arr_0"))
                return needs(reference, "holds statistics alone, and pr and kid need images (arr_0): leave them out.");
            if (metrics.fid)
                m_reference.pool = (*statistics)->pool;
            if (metrics.sfid)
                m_reference.spatial = (*statistics)->spatial;
            metrics.fid = metrics.sfid = false; // the file has said what these need
        }
    }
    metrics.inceptionScore = false;
    if (!metrics.needsReference())
        return Done{};
    evaluation::InceptionSet set(m_inception.network, metrics, m_crew);
    if (auto looked = look(set, reference, side, std::numeric_limits<std::int64_t>::max(), "features of the reference"); !looked)
        return looked.error();
    auto found = evaluation::referenceOf(set, metrics);
    if (metrics.fid)
        m_reference.pool = found.pool;
    if (metrics.sfid)
        m_reference.spatial = found.spatial;
    m_reference.features = found.features;
    m_referenceImages = set.count();
    return Done{};
}

Result<Done> InceptionJudge::against(const data::Dataset& train, const data::Dataset* test, std::int64_t count)
{
    auto metrics = m_asked.metrics;
    metrics.inceptionScore = false;
    if (!metrics.needsReference())
        return Done{};
    const auto stop = m_context.link.stopToken();
    const auto real = generation::realImages(train, 0, count, stop);
    if (!real)
        return real.error();
    evaluation::InceptionSet set(m_inception.network, metrics, m_crew);
    if (auto added = set.add(*real, tick("features of real images"), stop); !added)
        return added.error();
    m_reference = evaluation::referenceOf(set, metrics);
    m_referenceImages = set.count();
    if (!metrics.fid)
        return Done{};
    const auto others = test ? generation::realImages(*test, 0, count, stop) : generation::realImages(train, count, count, stop);
    if (!others)
        return others.error();
    if (others->size(0) < 2)
        return Done{};
    evaluation::InceptionSet other(m_inception.network, {.fid = true}, m_crew);
    if (auto added = other.add(*others, tick("features of other real images"), stop); !added)
        return added.error();
    m_floor = evaluation::frechetDistance(other.pool(), *m_reference.pool);
    return Done{};
}

Result<generation::SetScore> InceptionJudge::judge(const GivenImages& images, std::int64_t side, std::int64_t count)
{
    evaluation::InceptionSet set(m_inception.network, m_asked.metrics, m_crew);
    if (auto looked = look(set, images, side, count, "features"); !looked)
        return looked.error();
    return score(set);
}

Result<generation::SetScore> InceptionJudge::judge(const at::Tensor& images)
{
    evaluation::InceptionSet set(m_inception.network, m_asked.metrics, m_crew);
    if (auto added = set.add(images, tick("features"), m_context.link.stopToken()); !added)
        return added.error();
    return score(set);
}

Result<generation::SetScore> InceptionJudge::score(const evaluation::InceptionSet& samples)
{
    if (samples.count() < 2 || m_referenceImages == 1)
        return Error{ErrorCode::Usage, "A distance needs at least two images on each side.", {}};
    const auto scores = evaluation::scoresOf(samples, m_reference, m_asked.metrics, m_device, tick("scores"), m_context.link.stopToken());
    if (!scores)
        return scores.error();
    generation::SetScore score{.metric = m_asked.names.front()};
    score.distance = {leadOf(score.metric, *scores), spreadOf(score.metric, *scores)};
    if (m_asked.metrics.fid && score.metric == "fid")
        score.floor = m_floor;
    score.images = samples.count();
    score.about = generation::aboutInception(m_inception);
    score.about["reference_images"] = m_referenceImages;
    score.extra = allOf(*scores);
    return score;
}

Json numbersOf(const generation::SetScore& score)
{
    Json json = score.extra;
    json["images"] = score.images;
    json["reference_images"] = score.about.at("reference_images");
    json["features_sha256"] = score.about.at("features_sha256");
    if (score.floor)
        json["floor"] = *score.floor;
    return json;
}

} // namespace espalier::worker
