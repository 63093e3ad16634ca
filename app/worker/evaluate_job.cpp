// SPDX-License-Identifier: Apache-2.0
#include "app/worker/classify_job.h"
#include "app/worker/given_images.h"
#include "app/worker/inception_scores.h"
#include "app/worker/job_ranks.h"

#include "core/base/files.h"
#include "core/data/dataset.h"
#include "core/generation/evaluation_set.h"
#include "core/generation/shared_drawing.h"
#include "core/generation/weights.h"
#include "core/runs/run_folder.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <chrono>
#include <optional>

namespace espalier::worker {
namespace fs = std::filesystem;
namespace {

std::string evaluationName(const Checkpoint& checkpoint, const std::string& weights, const generation::Generator& generator,
                           std::int64_t seed, std::int64_t count)
{
    auto name = fmt::format("{}-{}-{}-seed{}-n{}", checkpoint.step < 0 ? std::string("file") : runs::stepName(checkpoint.step), weights,
                            generator.samplerName(), seed, count);
    return runs::safeName(name);
}

Json numbers(const generation::SetScore& score)
{
    if (score.metric != "fd")
        return numbersOf(score);
    Json json{{"fd", score.distance.value}, {"images", score.images}};
    for (const auto& [name, value] : {std::pair{"spread", score.distance.spread}, {"floor", score.floor}, {"ceiling", score.ceiling}})
        json[name] = value.value_or(0.0);
    if (score.nearest)
        json["nearest"] = {{"median", score.nearest->median},
                           {"least", score.nearest->least},
                           {"least_sample", score.nearest->leastSample},
                           {"least_training", score.nearest->leastTraining},
                           {"copied_share", score.nearest->share}};
    return json;
}

/// What is asked for, and with what.
struct Asked {
    std::optional<MetricNames> onInception; // nothing: fd
    std::string features;
    at::Device device = at::kCPU;
};

/// Two sets of images given as they are, at the size of the first.
Result<Json> compareImages(const Json& request, const GivenImages& images, const std::optional<GivenImages>& reference, const Asked& asked,
                           parallel::Crew& crew, JobContext& context)
{
    const auto count = numberOf(request, "num", 50'000, 2, 1'000'000);
    if (!count)
        return count.error();
    if (!reference && !(asked.onInception && !asked.onInception->metrics.needsReference()))
        return Error{ErrorCode::Usage, "No reference was named to compare the images with. Give a folder or npz with --reference."};
    const auto stop = context.link.stopToken();
    const auto side = images.side();
    if (!side)
        return side.error();
    if (asked.onInception) {
        auto judge = InceptionJudge::open(*asked.onInception, asked.features, asked.device, crew, context);
        if (!judge)
            return judge.error();
        if (reference)
            if (auto looked = judge->against(*reference, *side); !looked)
                return looked.error();
        const auto score = judge->judge(images, *side, *count);
        return score ? Result<Json>(numbers(*score)) : score.error();
    }
    const auto samples = images.read(*side, *count, context.log, stop);
    if (!samples)
        return samples.error();
    const auto real = reference->read(*side, *count, context.log, stop);
    if (!real)
        return real.error();
    if (!real->sizes().slice(1).equals(samples->sizes().slice(1)))
        return otherSize(*reference, *real, samples->size(1), samples->size(2));
    const auto score = scoreAgainst(*real, *samples, asked.device, crew, [&] { context.link.progress(0, 0, "features"); });
    return score ? Result<Json>(numbers(*score)) : score.error();
}

/// The real images that samples of a checkpoint are measured against: those of its data set, or given ones.
struct Judge {
    std::shared_ptr<const data::Dataset> train, test;
    std::optional<generation::SetJudge> ofData;
    std::optional<InceptionJudge> onInception;
    at::Tensor given;
    std::int64_t count = 0;

    static Result<Judge> make(const config::RunConfig& config, std::int64_t count, const std::optional<GivenImages>& reference,
                              const Asked& asked, parallel::Crew& crew, JobContext& context)
    {
        Judge judge;
        judge.count = count;
        const auto side = config.data.side;
        if (asked.onInception) {
            auto opened = InceptionJudge::open(*asked.onInception, asked.features, asked.device, crew, context);
            if (!opened)
                return opened.error();
            judge.onInception.emplace(*std::move(opened));
            if (reference) {
                if (auto looked = judge.onInception->against(*reference, side); !looked)
                    return looked.error();
                return judge;
            }
        } else if (reference) {
            auto real = reference->read(side, count, context.log, context.link.stopToken());
            if (!real)
                return real.error();
            if (real->size(1) != side || real->size(2) != side)
                return otherSize(*reference, *real, side, side);
            judge.given = *real;
            judge.count = std::min(count, real->size(0));
            return judge;
        }
        const auto done = judge.openData(config, asked, crew, context);
        return done ? Result<Judge>(std::move(judge)) : done.error();
    }

    Result<Done> openData(const config::RunConfig& config, const Asked& asked, parallel::Crew& crew, JobContext& context)
    {
        const auto dataFolder = runs::dataFolder();
        const auto opened = data::open(config.data, data::Split::Train, dataFolder, context.log);
        if (!opened)
            return opened.error();
        train = *opened;
        if (!train->hasPixels())
            return Error{ErrorCode::Usage,
                         fmt::format("{}: there are no images to compare with. Name some with --reference.", train->description()),
                         {}};
        if (const auto other = data::open(config.data, data::Split::Test, dataFolder, {}))
            test = *other;
        if (onInception) {
            count = std::min(count, test ? std::min(train->size(), test->size()) : train->size() / 2);
            return onInception->against(*train, test.get(), count);
        }
        auto made = generation::SetJudge::make(
            train, test, count, asked.device, std::nullopt, crew, [&] { context.link.progress(0, 0, "features of real images"); },
            context.link.stopToken());
        if (!made)
            return made.error();
        ofData = std::move(*made);
        count = std::min(count, ofData->count());
        return Done{};
    }

    Result<generation::SetScore> operator()(const at::Tensor& images, const Asked& asked, parallel::Crew& crew, JobContext& context)
    {
        if (onInception)
            return onInception->judge(images);
        if (ofData)
            return ofData->judge(
                images, train->size(), crew, [&] { context.link.progress(0, 0, "nearest training images"); }, context.link.stopToken());
        return scoreAgainst(given, images, asked.device, crew, [&] { context.link.progress(0, 0, "features"); });
    }
};

/// What a recipe says of a reference: of images that were measured their pixels, of a file its bytes.
Result<Json> aboutReference(const GivenImages& reference, const Judge& judge)
{
    Json about{{"path", reference.path.string()}};
    if (judge.given.defined()) {
        about["sha256"] = pixelsSha256(judge.given.narrow(0, 0, judge.count));
    } else if (reference.isNpz()) {
        const auto hash = sha256OfFile(reference.path);
        if (!hash)
            return hash.error();
        about["file_sha256"] = *hash;
    }
    return about;
}

/// What rank 0 does of a checkpoint's evaluation: real images, drawn ones, numbers.
Result<Json> evaluateCheckpoint(const Json& request, const Checkpoint& checkpoint, generation::Generator& generator, std::int64_t seed,
                                std::int64_t num, const std::optional<GivenImages>& reference, const Asked& what, parallel::Crew& crew,
                                JobContext& context)
{
    auto made = Judge::make(checkpoint.config, num, reference, what, crew, context);
    if (!made)
        return made.error();
    auto& judge = *made;
    const auto count = judge.count;
    const auto weights = request.value("weights", "ema"), out = request.value("out", "");
    const auto name = evaluationName(checkpoint, weights, generator, seed, count);
    const auto beside = checkpoint.step < 0 ? checkpoint.folder.parent_path() : checkpoint.folder.parent_path().parent_path();
    const fs::path folder = out.empty() ? beside / "evaluations" / name : fs::path(out);
    const auto progress = [&](double done) {
        context.link.progress(done * static_cast<double>(count), static_cast<double>(count), "images");
    };
    const auto began = std::chrono::steady_clock::now();
    auto recipe = generator.recipe();
    recipe["weights"] = weights;
    recipe["checkpoint"] = checkpoint.identity;
    auto images = generation::drawEvaluationSet(generator, count, {folder, {}}, recipe, true, crew, progress, context.link.stopToken());
    if (!images)
        return images.error();
    const auto score = judge(*images, what, crew, context);
    if (!score)
        return score.error();
    auto result = numbers(*score);
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    result["folder"] = folder.string();
    result["npz"] = (folder / "samples.npz").string();
    result["step"] = checkpoint.step;
    auto event = generation::evaluatedEvent(*score, generator, weights, checkpoint.step, 0, seconds);
    if (reference) {
        const auto name = event.recipe["name"].get<std::string>();
        event.recipe["name"] = fmt::format("{}, against {}", name, reference->path.filename().string());
        auto about = aboutReference(*reference, judge);
        if (!about)
            return about.error();
        event.recipe["reference"] = *about;
        result["reference"] = *about;
    }
    result["recipe"] = event.recipe;
    result["event"] = runs::fieldsOf(event);
    return result;
}

/// What the other ranks do of it, and of a comparison of images.
class Help {
public:
    Help(const Asked& asked, generation::Generator* generator, JobContext& context)
        : m_asked(asked), m_generator(generator), m_context(context)
    {
    }

    Result<parallel::Crew::Work> operator()(const Json& ask)
    {
        const auto stop = m_context.link.stopToken();
        const auto work = ask.value("work", "");
        if (work == generation::kDrawAsk && m_generator)
            return generation::drawingWork(*m_generator, [this](double) { m_context.link.progress(0, 0, "images"); }, stop);
        if (work == evaluation::RandomDistance::kAsk)
            return evaluation::RandomDistance::workFor(ask, m_asked.device);
        if (!m_inception) {
            auto opened = openFeatures(m_asked.features, m_asked.device);
            if (!opened)
                return opened.error();
            m_inception = *std::move(opened);
        }
        return evaluation::InceptionSet::workFor(ask, m_inception->network, stop);
    }

private:
    const Asked& m_asked;
    generation::Generator* m_generator; // null: nothing is drawn
    JobContext& m_context;
    std::optional<evaluation::InceptionFile> m_inception;
};

} // namespace

Result<Json> evaluateJob(const Json& request, JobContext& context)
{
    const auto metric = textOf(request, "metric", "auto"), features = textOf(request, "features", "random"),
               weights = textOf(request, "weights", "ema"), out = textOf(request, "out", "");
    for (const auto* text : {&metric, &features, &weights, &out})
        if (!*text)
            return text->error();
    const auto imagesPath = textOf(request, "images", ""), referencePath = textOf(request, "reference", "");
    for (const auto* text : {&imagesPath, &referencePath})
        if (!*text)
            return text->error();
    std::optional<Checkpoint> checkpoint;
    if (imagesPath->empty()) {
        auto found = findCheckpoint(request);
        if (!found)
            return found.error();
        checkpoint = *std::move(found);
        if (!config::drawsImages(checkpoint->config.model)) {
            if (*metric != "auto" && *metric != "accuracy")
                return Error{ErrorCode::Usage,
                             fmt::format("--metrics {} is for networks that draw images, and this one tells them apart. Leave "
                                         "it away.",
                                         *metric)};
            return classifyJob(request, *checkpoint, context);
        }
        if (request.contains("data"))
            return Error{ErrorCode::Usage, "--data is for networks that tell images apart; this one draws them. Compare its images with a "
                                           "folder by --reference."};
    }
    if (*metric == "bpd") {
        if (!checkpoint || !referencePath->empty())
            return Error{ErrorCode::Usage,
                         "bpd is a number of weights and the test images of their own set: leave --images and --reference away."};
        return boundJob(request, *checkpoint, context);
    }
    auto onInception = MetricNames::of(*metric == "auto" ? "fd" : *metric, *features);
    if (!onInception)
        return onInception.error();
    auto ranks = JobRanks::join(request, checkpoint ? checkpoint->identity : std::string(), context);
    if (!ranks)
        return ranks.error();
    const Asked what{*std::move(onInception), *features, ranks->device()};
    std::optional<GivenImages> reference;
    if (!referencePath->empty())
        reference = GivenImages{"--reference", *referencePath};
    if (!checkpoint)
        return ranks->work(
            [&](parallel::Crew& crew) { return compareImages(request, {"--images", *imagesPath}, reference, what, crew, context); },
            Help(what, nullptr, context));

    const auto& config = checkpoint->config;
    const auto num = numberOf(request, "num", config.evaluation.images, 2, 1'000'000),
               seed = numberOf(request, "seed", config.evaluation.seed, 0, std::int64_t{9} << 50);
    const auto sampler = samplerOf(request, config, "evaluation");
    if (!num)
        return num.error();
    if (!seed)
        return seed.error();
    if (!sampler)
        return sampler.error();
    generation::DrawingModel drawing(config, what.device);
    const auto model = drawing.from(checkpoint->folder, *weights);
    if (!model)
        return model.error();
    const auto codec = codecFor(*checkpoint, what.device, context.log);
    if (!codec)
        return codec.error();
    generation::Generator generator(*model, config.diffusion, *sampler, static_cast<std::uint64_t>(*seed), *codec);
    return ranks->work(
        [&](parallel::Crew& crew) {
            return evaluateCheckpoint(request, *checkpoint, generator, *seed, *num, reference, what, crew, context);
        },
        Help(what, &generator, context));
}

} // namespace espalier::worker
