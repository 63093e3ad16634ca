// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job_ranks.h"

#include "core/config/respacing.h"
#include "core/data/dataset.h"
#include "core/data/order.h"
#include "core/diffusion/bound.h"
#include "core/diffusion/guidance.h"
#include "core/generation/generator.h"
#include "core/generation/weights.h"
#include "core/runs/events.h"
#include "core/runs/run_folder.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace espalier::worker {
namespace {

struct LabelledImages {
    at::Tensor x0, labels; // [n, 3, side, side] in [-1, 1], int64 [n]
};

/// Images number `first` … of the fixed choice that all statistics use. An image that cannot be read is passed over.
LabelledImages imagesOf(const data::Dataset& dataset, const data::Permutation& order, std::int64_t first, std::int64_t count,
                        at::Device device)
{
    at::Tensor bytes = at::empty({count, dataset.side(), dataset.side(), 3}, at::kByte), labels = at::zeros({count}, at::kLong);
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        std::int32_t label = 0;
        const std::span into{bytes.mutable_data_ptr<std::uint8_t>() + kept * static_cast<std::int64_t>(dataset.imageBytes()),
                             dataset.imageBytes()};
        if (dataset.read(order(first + i), into, label))
            labels.mutable_data_ptr<std::int64_t>()[kept++] = label;
    }
    return {bytes.narrow(0, 0, kept).to(device).permute({0, 3, 1, 2}).to(at::kFloat).div_(127.5).sub_(1.0),
            labels.narrow(0, 0, kept).to(device)};
}

/// The images that a network was not trained on, where the set has a test split.
Result<std::shared_ptr<const data::Dataset>> heldOut(const config::DataConfig& data, const Log& log)
{
    const auto folder = runs::dataFolder();
    if (auto test = data::open(data, data::Split::Test, folder, {}))
        return *std::move(test);
    auto train = data::open(data, data::Split::Train, folder, log);
    return train ? Result<std::shared_ptr<const data::Dataset>>(*std::move(train)) : train.error();
}

} // namespace

Result<Json> boundJob(const Json& request, const Checkpoint& checkpoint, JobContext& context)
{
    const auto weights = textOf(request, "weights", "ema");
    if (!weights)
        return weights.error();
    auto ranks = JobRanks::join(request, checkpoint.identity, context);
    if (!ranks)
        return ranks.error();
    const auto device = ranks->device();
    const auto& config = checkpoint.config;
    const auto asked = numberOf(request, "num", config.evaluation.images, 2, 1'000'000),
               seed = numberOf(request, "seed", config.evaluation.seed, 0, std::int64_t{9} << 50);
    for (const auto* number : {&asked, &seed})
        if (!*number)
            return number->error();
    const auto sampler = samplerOf(request, config, "evaluation");
    if (!sampler)
        return sampler.error();
    if (!sampler->timestepRespacing.empty() && config.diffusion.meanType == config::MeanType::Mean)
        return Error{ErrorCode::Usage, "bpd of a network that predicts the mean needs every level: leave --timestep-respacing away."};
    const auto dataset = heldOut(config.data, context.log);
    if (!dataset)
        return dataset.error();
    generation::DrawingModel drawing(config, device);
    const auto model = drawing.from(checkpoint.folder, *weights);
    if (!model)
        return model.error();
    (*model)->eval();
    const auto image = (*model)->image();
    if (image.channels != 3 || image.height != (*dataset)->side())
        return Error{ErrorCode::Usage, "bpd is measured in pixels, and this network does not see pixels."};

    diffusion::Process process(config.diffusion);
    if (!sampler->timestepRespacing.empty())
        process = process.respaced(*config::respacedLevels(sampler->timestepRespacing, process.levels()));
    const auto count = std::min(*asked, (*dataset)->size()), batch = generation::drawingBatch(device);
    const data::Permutation order(0, Stream::Subset, 0, (*dataset)->size());
    // Of images number `places` a row each: bound, prior, first level, and 1; zeros where it cannot be read.
    const auto bounds = [&](const at::Tensor& places) -> Result<at::Tensor> {
        const c10::InferenceMode inference;
        const auto from = places[0].item<std::int64_t>(), n = places.size(0);
        auto [x0, labels] = imagesOf(**dataset, order, from, n, device);
        auto rows = at::zeros({n, 4}, at::kDouble);
        const auto kept = x0.size(0);
        if (kept == 0)
            return rows;
        const config::SamplerConfig plain; // the bound is that of the class, not of a guided output
        const at::Tensor slots = at::arange(from, from + kept, labels.options());
        const auto network = diffusion::guidedNetwork(**model, (*model)->classes() > 0 ? labels : at::Tensor(), plain);
        const auto noise = [&, &x = x0](std::int64_t step) {
            const auto share = static_cast<double>(step) / static_cast<double>(process.levels());
            context.link.progress(static_cast<double>(from) + share * static_cast<double>(n), static_cast<double>(count), "images");
            return tensors::Draws{static_cast<std::uint64_t>(*seed), at::full({}, step, at::kLong), slots}.normal(Stream::Noise,
                                                                                                                  x.sizes().slice(1));
        };
        const auto stop = context.link.stopToken();
        const auto bound = diffusion::bound(process, network, x0, noise, sampler->clipDenoised, [&] { return stop.stop_requested(); });
        if (!bound.total.defined())
            return Error{ErrorCode::Cancelled, "The evaluation was stopped before its numbers were there."};
        rows.narrow(0, 0, kept).copy_(at::stack({bound.total, bound.prior, bound.vb.select(1, -1), at::ones_like(bound.total)}, 1));
        return rows;
    };
    const auto lead = [&](parallel::Crew& crew) -> Result<Json> {
        const auto began = std::chrono::steady_clock::now();
        at::Tensor sums = at::zeros({4}, at::kDouble);
        const auto done = crew.map(Json::object(), at::arange(count, at::kLong), batch, bounds,
                                   [&](std::int64_t, const at::Tensor& rows) -> Result<Done> {
                                       sums += rows.sum(0);
                                       return Done{};
                                   });
        if (!done)
            return done.error();
        const auto images = static_cast<std::int64_t>(sums[3].item<double>());
        if (images == 0)
            return Error{ErrorCode::Format, fmt::format("No image of {} could be read.", (*dataset)->description())};
        const auto mean = [&](int which) { return sums[which].item<double>() / static_cast<double>(images); };
        const Json recipe{{"name", fmt::format("BPD-{}, {}, {} levels, seed {}", images, *weights, process.levels(), *seed)},
                          {"images", images},
                          {"weights", *weights},
                          {"levels", process.levels()},
                          {"timestep_respacing", sampler->timestepRespacing},
                          {"clip_denoised", sampler->clipDenoised},
                          {"seed", *seed},
                          {"of", (*dataset)->description()}};
        const Json extra{{"prior", mean(1)}, {"first_level", mean(2)}};
        const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        const runs::Evaluated event{.step = checkpoint.step,
                                    .weights = *weights,
                                    .metric = "bpd",
                                    .value = mean(0),
                                    .recipe = recipe,
                                    .extra = extra,
                                    .seconds = seconds};
        return Json{{"bpd", mean(0)},          {"prior", mean(1)}, {"first_level", mean(2)},        {"images", images},
                    {"step", checkpoint.step}, {"recipe", recipe}, {"event", runs::fieldsOf(event)}};
    };
    return ranks->work(lead, [&](const Json&) { return Result<parallel::Crew::Work>(bounds); });
}

} // namespace espalier::worker
