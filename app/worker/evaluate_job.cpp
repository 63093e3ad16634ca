// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job.h"

#include "core/data/dataset.h"
#include "core/formats/npz.h"
#include "core/generation/evaluation_set.h"
#include "core/generation/previews.h"
#include "core/generation/weights.h"
#include "core/runs/run_folder.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

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

/// Images of a folder or npz, as far as `count`: uint8 [n, side, side, 3].
Result<at::Tensor> givenImages(const fs::path& from, std::int64_t side, std::int64_t count, const Log& log, std::stop_token stop)
{
    if (from.extension() == ".npz") {
        auto reader = formats::NpzReader::open(from);
        if (!reader)
            return reader.error();
        auto images = reader->images("arr_0");
        if (!images)
            return images.error();
        const auto n = std::min(count, images->count());
        if (images->channels() != 3)
            return Error{ErrorCode::Usage, fmt::format("{} holds grey images; three channels are needed.", from.string())};
        auto all = at::empty({n, images->height(), images->width(), 3}, at::kByte);
        for (std::int64_t got = 0; got < n;) {
            const auto read = images->next({all.data_ptr<std::uint8_t>() + got * static_cast<std::int64_t>(images->imageBytes()),
                                            static_cast<std::size_t>(n - got) * images->imageBytes()});
            if (!read)
                return read.error();
            if (*read == 0)
                return all.narrow(0, 0, got);
            got += *read;
        }
        return all;
    }
    config::DataConfig folder;
    folder.source = config::DataSource::Folder;
    folder.path = from.string();
    folder.side = side;
    const auto dataset = data::open(folder, data::Split::Train, {}, log);
    if (!dataset)
        return dataset.error();
    return generation::realImages(**dataset, 0, count, stop);
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

/// Two sets of images given as they are.
Result<Json> compareImages(const Json& request, std::int64_t count, at::Device device, JobContext& context)
{
    const auto images = textOf(request, "images", ""), reference = textOf(request, "reference", "");
    if (!images)
        return images.error();
    if (!reference)
        return reference.error();
    if (reference->empty())
        return Error{ErrorCode::Usage, "No reference was named to compare the images with. Give a folder or npz with --reference."};
    const auto side = numberOf(request, "side", 32, 8, 1024);
    if (!side)
        return side.error();
    const auto stop = context.link.stopToken();
    auto real = givenImages(*reference, *side, count, context.log, stop);
    if (!real)
        return real.error();
    auto samples = givenImages(*images, real->size(1), count, context.log, stop);
    if (!samples)
        return samples.error();
    if (samples->size(1) != real->size(1) || samples->size(2) != real->size(2))
        return Error{ErrorCode::Usage, fmt::format("{} has images of {}x{} pixels, {} of {}x{}. Bring both to one size first.", *images,
                                                   samples->size(2), samples->size(1), *reference, real->size(2), real->size(1))};
    const auto n = std::min(samples->size(0), real->size(0));
    if (n < 2)
        return Error{ErrorCode::Usage, "A distance needs at least two images on each side."};
    const auto tick = [&] { context.link.progress(0, 0, "features"); };
    const auto half = n / 2;
    const evaluation::RandomDistance distance(real->narrow(0, 0, n), device, tick);
    generation::SetScore score{distance(samples->narrow(0, 0, n), tick), 0.0, 0.0, n, std::nullopt};
    score.ceiling = distance(evaluation::RandomDistance::noise(n, real->size(1), real->size(2)), tick).value;
    // No other real images are known: one half against the other is an upper bound of the floor.
    score.floor =
        half >= 2 ? evaluation::RandomDistance(real->narrow(0, 0, half), device, tick)(real->narrow(0, half, half), tick).value : 0.0;
    evaluation::NearestSearch search(samples->narrow(0, 0, n));
    search.add(real->narrow(0, 0, n), 0);
    score.nearest = search.result();
    return numbers(score);
}

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
    if (request.contains("images")) {
        const auto count = numberOf(request, "num", 50'000, 2, 1'000'000);
        return count ? compareImages(request, *count, *device, context) : Result<Json>(count.error());
    }

    const auto checkpoint = findCheckpoint(request);
    if (!checkpoint)
        return checkpoint.error();
    const auto& config = checkpoint->config;
    const auto asked = numberOf(request, "num", config.evaluation.images, 2, 1'000'000),
               seed = numberOf(request, "seed", config.evaluation.seed, 0, std::int64_t{9} << 50);
    auto base = config;
    base.samples.sampler = config.evaluation.sampler;
    const auto sampler = samplerOf(request, base);
    if (!asked)
        return asked.error();
    if (!seed)
        return seed.error();
    if (!sampler)
        return sampler.error();

    const auto dataFolder = runs::libraryFolder().parent_path() / "data";
    const auto train = data::open(config.data, data::Split::Train, dataFolder, context.log);
    if (!train)
        return train.error();
    auto test = data::open(config.data, data::Split::Test, dataFolder, {});
    const auto stop = context.link.stopToken();
    const auto tick = [&] { context.link.progress(0, 0, "features of real images"); };
    const auto judge = generation::SetJudge::make(*train, test ? *test : nullptr, *asked, *device, tick, stop);
    if (!judge)
        return judge.error();
    const auto count = std::min(*asked, judge->count());

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
    auto images = generation::drawEvaluationSet(generator, count, generation::drawingBatch(*device), folder, recipe, true, progress, stop);
    if (!images)
        return images.error();
    const auto score = judge->judge(*images, (*train)->size(), [&] { context.link.progress(0, 0, "nearest training images"); }, stop);
    if (!score)
        return score.error();
    auto result = numbers(*score);
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    result["folder"] = folder.string();
    result["npz"] = (folder / "samples.npz").string();
    result["step"] = checkpoint->step;
    result["event"] = generation::evaluatedEvent(*score, generator, *weights, checkpoint->step, 0, seconds).fields();
    return result;
}

} // namespace espalier::worker
