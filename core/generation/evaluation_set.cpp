// SPDX-License-Identifier: Apache-2.0
#include "core/generation/evaluation_set.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/data/order.h"
#include "core/evaluation/inception_metrics.h"
#include "core/formats/image_decode.h"
#include "core/formats/npz.h"
#include "core/generation/shared_drawing.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace espalier::generation {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kNearestBatch = 1000;

Error cancelled()
{
    return {ErrorCode::Cancelled, "The evaluation was stopped before its numbers were there."};
}

/// Loads images up to the first that is missing or of another size, and of these as many as whole pieces hold: the others are drawn again
/// in the company in which they would have been drawn.
std::int64_t loadKept(const ImageFiles& files, std::int64_t piece, at::Tensor& images)
{
    const auto bytes = images.size(1) * images.size(2) * images.size(3);
    for (std::int64_t i = 0; i < images.size(0); ++i) {
        const auto file = files(i);
        if (!fs::exists(file))
            return i / piece * piece;
        const auto decoded = formats::decodeImageFile(file);
        if (!decoded || decoded->height != images.size(1) || decoded->width != images.size(2))
            return i / piece * piece;
        std::copy(decoded->rgb.begin(), decoded->rgb.end(), images.data_ptr<std::uint8_t>() + i * bytes);
    }
    return images.size(0);
}

/// Images may be gone on with only when they come from the same weights and sampler.
Result<Done> claimFolder(const fs::path& folder, const Json& recipe)
{
    const auto file = folder / "recipe.json";
    if (!fs::exists(file))
        return writeFileAtomically(file, recipe.dump(2) + "\n");
    const auto text = readFile(file, 1 << 20);
    if (!text)
        return text.error();
    if (parseJson(*text) != recipe)
        return Error{ErrorCode::Usage,
                     fmt::format("{} holds images that were drawn in another way. Choose another folder, or remove it.", folder.string())};
    return Done{};
}

} // namespace

Result<at::Tensor> realImages(const data::Dataset& dataset, std::int64_t skip, std::int64_t count, std::stop_token stop)
{
    const data::Permutation order(0, Stream::Subset, 0, dataset.size());
    const auto n = std::clamp<std::int64_t>(dataset.size() - skip, 0, count);
    auto images = at::empty({n, dataset.side(), dataset.side(), 3}, at::kByte);
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        if (stop.stop_requested())
            return cancelled();
        std::int32_t label = 0;
        if (dataset.read(order(skip + i),
                         {images.data_ptr<std::uint8_t>() + kept * static_cast<std::int64_t>(dataset.imageBytes()), dataset.imageBytes()},
                         label))
            ++kept;
    }
    return images.narrow(0, 0, kept);
}

Result<at::Tensor> drawEvaluationSet(Generator& generator, std::int64_t count, const ImageFiles& files, const Json& recipe, bool npz,
                                     parallel::Crew& crew, const Progress& progress, std::stop_token stop)
{
    const auto& folder = files.folder;
    std::error_code problem;
    fs::create_directories(folder, problem);
    if (problem)
        return ioError("make the folder", folder, problem.value());
    if (auto same = claimFolder(folder, recipe); !same)
        return same.error();
    const auto image = generator.image();
    auto all = at::empty({count, image.height, image.width, image.channels}, at::kByte);
    const auto kept = loadKept(files, drawingPiece(generator.device(), count, crew.size()), all);
    const auto share = [&](double done) {
        if (progress)
            progress((static_cast<double>(kept) + done * static_cast<double>(count - kept)) / static_cast<double>(count));
    };
    const auto drawn = drawTogether(generator, {{"work", kDrawAsk}}, kept, count, crew, share, stop,
                                    [&](std::int64_t first, const at::Tensor& images) -> Result<Done> {
                                        all.narrow(0, first, images.size(0)).copy_(images);
                                        return writeSingles(files, images, first);
                                    });
    if (!drawn)
        return drawn.error();
    if (npz) {
        auto file = formats::NpzWriter::create(folder / "samples.npz");
        if (!file)
            return file.error();
        const auto begun = file->beginImages("arr_0", static_cast<int>(image.height), static_cast<int>(image.width), 3, count);
        const auto put = begun ? file->appendImages({all.data_ptr<std::uint8_t>(), static_cast<std::size_t>(all.numel())}) : begun;
        const auto ended = put ? file->endImages() : put;
        if (!ended)
            return ended.error();
        if (auto done = file->finish(); !done)
            return done.error();
    }
    return all;
}

Json aboutRandomFeatures()
{
    return {{"features", evaluation::RandomFeatures::kVersion}, {"feature_seeds", evaluation::RandomFeatures::kSeeds.size()}};
}

Json aboutInception(const evaluation::InceptionFile& inception)
{
    return {
        {"features", "inception-2015-12-05"}, {"features_file", inception.name}, {"features_sha256", inception.sha256}, {"resize", "tf1"}};
}

Result<SetJudge::Distance> SetJudge::randomDistance(const at::Tensor& real, at::Device device, parallel::Crew& crew, const Tick& tick)
{
    auto made = evaluation::RandomDistance::make(real, device, crew, tick);
    if (!made)
        return made.error();
    return Distance([distance = *std::move(made)](const at::Tensor& images, parallel::Crew& crew, const Tick& tick,
                                                  std::stop_token) -> Result<SetDistance> {
        const auto score = distance(images, crew, tick);
        return score ? Result<SetDistance>(SetDistance{score->value, score->spread}) : score.error();
    });
}

Result<SetJudge::Distance> SetJudge::inceptionDistance(const at::Tensor& real, const evaluation::InceptionFile& inception,
                                                       parallel::Crew& crew, const Tick& tick, std::stop_token stop)
{
    const auto gaussianOf = [network = inception.network](const at::Tensor& images, parallel::Crew& crew, const Tick& tick,
                                                          std::stop_token stop) -> Result<evaluation::Gaussian> {
        evaluation::InceptionSet set(network, {.fid = true}, crew);
        if (auto added = set.add(images, tick, stop); !added)
            return added.error();
        return set.pool();
    };
    const auto reference = gaussianOf(real, crew, tick, stop);
    if (!reference)
        return reference.error();
    return Distance([gaussianOf, reference = *reference](const at::Tensor& images, parallel::Crew& crew, const Tick& tick,
                                                         std::stop_token stop) -> Result<SetDistance> {
        const auto gaussian = gaussianOf(images, crew, tick, stop);
        if (!gaussian)
            return gaussian.error();
        return SetDistance{evaluation::frechetDistance(*gaussian, reference), {}};
    });
}

Result<SetJudge> SetJudge::make(std::shared_ptr<const data::Dataset> train, std::shared_ptr<const data::Dataset> test, std::int64_t count,
                                at::Device device, const std::optional<evaluation::InceptionFile>& inception, parallel::Crew& crew,
                                const Tick& tick, std::stop_token stop)
{
    count = std::min(count, test ? std::min(train->size(), test->size()) : train->size() / 2);
    if (count < 2)
        return Error{ErrorCode::Usage,
                     fmt::format("{} has too few images to measure a distance: at least four are needed.", train->description())};
    auto real = realImages(*train, 0, count, stop);
    if (!real)
        return real.error();
    auto other = test ? realImages(*test, 0, count, stop) : realImages(*train, count, count, stop);
    if (!other)
        return other.error();
    SetJudge judge(train, count);
    auto distance = inception ? inceptionDistance(*real, *inception, crew, tick, stop) : randomDistance(*real, device, crew, tick);
    if (!distance)
        return distance.error();
    judge.m_distance = *std::move(distance);
    const auto floor = judge.m_distance(*other, crew, tick, stop);
    if (!floor)
        return floor.error();
    judge.m_blank.metric = inception ? "fid" : "fd";
    judge.m_blank.about = inception ? aboutInception(*inception) : aboutRandomFeatures();
    judge.m_blank.floor = floor->value;
    if (inception)
        return judge;
    const auto ceiling = judge.m_distance(evaluation::RandomDistance::noise(count, train->side(), train->side()), crew, tick, stop);
    if (!ceiling)
        return ceiling.error();
    judge.m_blank.ceiling = ceiling->value;
    return judge;
}

Result<SetScore> SetJudge::judge(const at::Tensor& images, std::int64_t nearestOf, parallel::Crew& crew, const Tick& tick,
                                 std::stop_token stop) const
{
    const auto distance = m_distance(images, crew, tick, stop);
    if (!distance)
        return distance.error();
    SetScore score = m_blank;
    score.distance = *distance;
    score.images = images.size(0);
    if (nearestOf <= 0)
        return score;
    evaluation::NearestSearch search(images);
    const auto of = std::min(nearestOf, m_train->size());
    const auto bytes = static_cast<std::int64_t>(m_train->imageBytes());
    auto batch = at::empty({kNearestBatch, m_train->side(), m_train->side(), 3}, at::kByte);
    for (std::int64_t from = 0; from < of; from += kNearestBatch) {
        const auto n = std::min(kNearestBatch, of - from);
        for (std::int64_t i = 0; i < n; ++i) {
            std::int32_t label = 0;
            const std::span into{batch.data_ptr<std::uint8_t>() + i * bytes, m_train->imageBytes()};
            if (!m_train->read(from + i, into, label))
                std::fill(into.begin(), into.end(), std::uint8_t{0});
        }
        search.add(batch.narrow(0, 0, n), from);
        if (stop.stop_requested())
            return cancelled();
        if (tick)
            tick();
    }
    score.nearest = search.result();
    return score;
}

runs::Evaluated evaluatedEvent(const SetScore& score, const Generator& generator, const std::string& weights, std::int64_t step, int stage,
                               double seconds)
{
    const auto size = score.images % 1000 == 0 ? fmt::format("{}k", score.images / 1000) : fmt::format("{}", score.images);
    auto recipe = generator.recipe();
    const auto shown = weights.starts_with("ema") ? "EMA" + weights.substr(3) : weights;
    auto metric = score.metric;
    std::transform(metric.begin(), metric.end(), metric.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    recipe["name"] =
        fmt::format("{}-{}, {}, {}, seed {}", metric, size, shown, generator.samplerName(), recipe["seed"].get<std::uint64_t>());
    recipe.update(score.about);
    recipe["images"] = score.images;
    recipe["weights"] = weights;
    runs::Evaluated event{.step = step,
                          .stage = stage,
                          .weights = weights,
                          .metric = score.metric,
                          .value = score.distance.value,
                          .spread = score.distance.spread,
                          .floor = score.floor,
                          .ceiling = score.ceiling,
                          .recipe = recipe,
                          .extra = score.extra,
                          .seconds = seconds};
    if (score.nearest) {
        event.extra["nearest_median"] = score.nearest->median;
        event.extra["nearest_least"] = score.nearest->least;
        event.extra["nearest_least_sample"] = score.nearest->leastSample;
        event.extra["nearest_least_training"] = score.nearest->leastTraining;
        event.extra["copied_share"] = score.nearest->share;
    }
    return event;
}

} // namespace espalier::generation
