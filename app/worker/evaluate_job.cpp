// SPDX-License-Identifier: Apache-2.0
#include "app/worker/given_images.h"
#include "app/worker/job.h"

#include "core/data/dataset.h"
#include "core/generation/evaluation_set.h"
#include "core/generation/previews.h"
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
    Json json{
        {"fd", score.fd.value}, {"spread", score.fd.spread}, {"floor", score.floor}, {"ceiling", score.ceiling}, {"images", score.images}};
    if (score.nearest)
        json["nearest"] = {{"median", score.nearest->median},
                           {"least", score.nearest->least},
                           {"least_sample", score.nearest->leastSample},
                           {"least_training", score.nearest->leastTraining},
                           {"copied_share", score.nearest->share}};
    return json;
}

Error otherSize(const GivenImages& given, const at::Tensor& images, std::int64_t height, std::int64_t width)
{
    return {ErrorCode::Usage, fmt::format("{}: {} holds images of {}x{} pixels, and {}x{} are needed. Bring them to that size first.",
                                          given.flag, given.path.string(), images.size(2), images.size(1), width, height)};
}

/// Two sets of images given as they are, at the size of the first.
Result<Json> compareImages(const Json& request, const GivenImages& images, const GivenImages& reference, at::Device device,
                           JobContext& context)
{
    const auto count = numberOf(request, "num", 50'000, 2, 1'000'000);
    if (!count)
        return count.error();
    const auto stop = context.link.stopToken();
    const auto side = images.side();
    if (!side)
        return side.error();
    const auto samples = images.read(*side, *count, context.log, stop);
    if (!samples)
        return samples.error();
    const auto real = reference.read(*side, *count, context.log, stop);
    if (!real)
        return real.error();
    if (!real->sizes().slice(1).equals(samples->sizes().slice(1)))
        return otherSize(reference, *real, samples->size(1), samples->size(2));
    const auto score = scoreAgainst(*real, *samples, device, [&] { context.link.progress(0, 0, "features"); });
    return score ? Result<Json>(numbers(*score)) : score.error();
}

/// The real images that samples of a checkpoint are measured against: those of its data set, or given ones.
struct Judge {
    std::shared_ptr<const data::Dataset> train;
    std::optional<generation::SetJudge> ofData;
    at::Tensor given;
    std::int64_t count = 0;

    static Result<Judge> make(const config::RunConfig& config, std::int64_t count, const std::optional<GivenImages>& reference,
                              at::Device device, JobContext& context)
    {
        Judge judge;
        const auto stop = context.link.stopToken();
        if (reference) {
            const auto side = config.data.side;
            auto real = reference->read(side, count, context.log, stop);
            if (!real)
                return real.error();
            if (real->size(1) != side || real->size(2) != side)
                return otherSize(*reference, *real, side, side);
            judge.given = *real;
            judge.count = std::min(count, real->size(0));
            return judge;
        }
        const auto dataFolder = runs::libraryFolder().parent_path() / "data";
        const auto train = data::open(config.data, data::Split::Train, dataFolder, context.log);
        if (!train)
            return train.error();
        const auto test = data::open(config.data, data::Split::Test, dataFolder, {});
        auto ofData = generation::SetJudge::make(
            *train, test ? *test : nullptr, count, device, [&] { context.link.progress(0, 0, "features of real images"); }, stop);
        if (!ofData)
            return ofData.error();
        judge.train = *train;
        judge.ofData = std::move(*ofData);
        judge.count = std::min(count, judge.ofData->count());
        return judge;
    }

    Result<generation::SetScore> operator()(const at::Tensor& images, at::Device device, JobContext& context) const
    {
        if (ofData)
            return ofData->judge(
                images, train->size(), [&] { context.link.progress(0, 0, "nearest training images"); }, context.link.stopToken());
        return scoreAgainst(given, images, device, [&] { context.link.progress(0, 0, "features"); });
    }
};

} // namespace

Result<Json> evaluateJob(const Json& request, JobContext& context)
{
    const auto metric = textOf(request, "metric", "fd"), features = textOf(request, "features", "random"),
               devices = textOf(request, "device", "auto"), weights = textOf(request, "weights", "ema"), out = textOf(request, "out", "");
    for (const auto* text : {&metric, &features, &devices, &weights, &out})
        if (!*text)
            return text->error();
    if (*metric != "fd")
        return Error{ErrorCode::Usage,
                     *features == "random"
                         ? "Distances on random features are FD, never FID: use --metrics fd."
                         : "FID needs the Inception network, which this version does not have yet. Use --metrics fd --features random."};
    const auto device = deviceFor(*devices, 0);
    if (!device)
        return device.error();
    setThreads(0, 1);
    const auto imagesPath = textOf(request, "images", ""), referencePath = textOf(request, "reference", "");
    for (const auto* text : {&imagesPath, &referencePath})
        if (!*text)
            return text->error();
    std::optional<GivenImages> reference;
    if (!referencePath->empty())
        reference = GivenImages{"--reference", *referencePath};
    if (!imagesPath->empty()) {
        if (!reference)
            return Error{ErrorCode::Usage, "No reference was named to compare the images with. Give a folder or npz with --reference."};
        return compareImages(request, {"--images", *imagesPath}, *reference, *device, context);
    }

    const auto checkpoint = findCheckpoint(request);
    if (!checkpoint)
        return checkpoint.error();
    const auto& config = checkpoint->config;
    const auto asked = numberOf(request, "num", config.evaluation.images, 2, 1'000'000),
               seed = numberOf(request, "seed", config.evaluation.seed, 0, std::int64_t{9} << 50);
    const auto sampler = samplerOf(request, config, "evaluation");
    if (!asked)
        return asked.error();
    if (!seed)
        return seed.error();
    if (!sampler)
        return sampler.error();

    const auto judge = Judge::make(config, *asked, reference, *device, context);
    if (!judge)
        return judge.error();
    const auto count = judge->count;

    generation::DrawingModel drawing(config, *device);
    const auto model = drawing.from(checkpoint->folder, *weights);
    if (!model)
        return model.error();
    generation::Generator generator(*model, config.diffusion, *sampler, static_cast<std::uint64_t>(*seed));
    const auto name = evaluationName(*checkpoint, *weights, generator, *seed, count);
    const auto beside = checkpoint->step < 0 ? checkpoint->folder.parent_path() : checkpoint->folder.parent_path().parent_path();
    const fs::path folder = out->empty() ? beside / "evaluations" / name : fs::path(*out);
    const auto progress = [&](double done) {
        context.link.progress(done * static_cast<double>(count), static_cast<double>(count), "images");
    };
    const auto began = std::chrono::steady_clock::now();
    auto recipe = generator.recipe();
    recipe["weights"] = *weights;
    recipe["checkpoint"] = checkpoint->identity;
    auto images = generation::drawEvaluationSet(generator, count, generation::drawingBatch(*device), folder, recipe, true, progress,
                                                context.link.stopToken());
    if (!images)
        return images.error();
    const auto score = (*judge)(*images, *device, context);
    if (!score)
        return score.error();
    auto result = numbers(*score);
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    result["folder"] = folder.string();
    result["npz"] = (folder / "samples.npz").string();
    result["step"] = checkpoint->step;
    auto event = generation::evaluatedEvent(*score, generator, *weights, checkpoint->step, 0, seconds);
    if (reference) {
        const auto name = event.recipe["name"].get<std::string>();
        event.recipe["name"] = fmt::format("{}, against {}", name, reference->path.filename().string());
        event.recipe["reference"] = {{"path", reference->path.string()}, {"sha256", pixelsSha256(judge->given.narrow(0, 0, count))}};
        result["reference"] = event.recipe["reference"];
    }
    result["recipe"] = event.recipe;
    result["event"] = event.fields();
    return result;
}

} // namespace espalier::worker
