// SPDX-License-Identifier: Apache-2.0
#include "app/worker/bench_models.h"
#include "app/worker/job.h"

#include "core/config/seen_image.h"
#include "core/training/train_step.h"
#include "core/training/trainee.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <fmt/format.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>

namespace espalier::worker {
namespace {

/// A batch of made-up data, as a loader would hand it over.
struct MadeBatch {
    std::vector<std::uint8_t> pixels;
    std::vector<float> latents;
    std::vector<std::int32_t> labels;

    MadeBatch(const config::RunConfig& config, std::int64_t batch)
        : labels(static_cast<std::size_t>(batch)) // a network without classes does not look
    {
        const auto seen = config::seenImage(config);
        const auto values = static_cast<std::size_t>(batch * seen.channels * seen.side * seen.side);
        if (config.latents.enabled)
            latents.resize(values);
        else
            pixels.resize(values);
        for (std::size_t i = 0; i < values; ++i) {
            const auto byte = static_cast<std::uint8_t>(i * 2654435761u >> 13);
            if (config.latents.enabled)
                latents[i] = static_cast<float>(byte) / 64.0f - 2.0f;
            else
                pixels[i] = byte;
        }
        for (std::size_t i = 0; i < labels.size(); ++i)
            labels[i] =
                static_cast<std::int32_t>(static_cast<std::int64_t>(i) % std::max<std::int64_t>(1, config::classesOf(config.model)));
    }
};

void wait(at::Device device)
{
    if (device.is_cuda())
        torch::cuda::synchronize();
}

} // namespace

Result<Json> benchJob(const Json& request, JobContext& context)
{
    const auto model = textOf(request, "model", "unet-cifar10"), devices = textOf(request, "device", "cpu"),
               precision = textOf(request, "precision", "fp32");
    for (const auto* text : {&model, &devices, &precision})
        if (!*text)
            return text->error();
    const auto batch = numberOf(request, "batch", 8, 1, 65536), steps = numberOf(request, "steps", 10, 1, 100000),
               warmup = numberOf(request, "warmup", 3, 0, 1000), threads = numberOf(request, "threads", 0, 0, 1024);
    for (const auto* number : {&batch, &steps, &warmup, &threads})
        if (!*number)
            return number->error();
    auto config = benchConfig(*model);
    if (!config)
        return config.error();
    if (*precision != "fp32" && *precision != "bf16")
        return Error{ErrorCode::Usage, fmt::format("\"{}\" is no precision of the bench. Known: fp32, bf16.", *precision)};
    config->training.precision = *precision == "bf16" ? config::Precision::Bf16 : config::Precision::Fp32;
    config->training.batchSize = config->training.microBatch = *batch;
    const auto device = deviceFor(*devices == "cuda" ? "0" : *devices, 0);
    if (!device)
        return device.error();
    setThreads(*threads, 1);

    auto trainee = training::makeTrainee(*config, *device);
    if (!trainee)
        return trainee.error();
    const data::Share share{*batch, *batch, 1, 0, 1};
    training::TrainStep step({*trainee->model, *trainee->objective, trainee->state, parallel::ProcessGroup::alone(), share, *device, 1},
                             *config);

    MadeBatch made(*config, *batch);
    const data::HostBatch host{.images = made.pixels, .latents = made.latents, .labels = made.labels, .erased = {}, .mixes = {}};
    const auto once = [&] {
        step.freeOldestBatch();
        step.begin(2e-4);
        step.accumulate(host);
        step.finish();
    };
    for (std::int64_t i = 0; i < *warmup; ++i)
        once();
    std::vector<double> seconds;
    for (std::int64_t i = 0; i < *steps; ++i) {
        if (context.link.stopRequested())
            return Error{ErrorCode::Cancelled, "The bench was stopped."};
        wait(*device);
        const auto began = std::chrono::steady_clock::now();
        once();
        wait(*device);
        seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
        context.link.progress(static_cast<double>(i + 1), static_cast<double>(*steps), "steps");
    }
    std::sort(seconds.begin(), seconds.end());
    const double median =
        seconds.size() % 2 ? seconds[seconds.size() / 2] : 0.5 * (seconds[seconds.size() / 2 - 1] + seconds[seconds.size() / 2]);
    return Json{{"model", *model},
                {"batch", *batch},
                {"device", *devices},
                {"precision", *precision},
                {"threads", at::get_num_threads()},
                {"libtorch", TORCH_VERSION},
                {"step_s", {{"min", seconds.front()}, {"median", median}, {"max", seconds.back()}}},
                {"images_per_s", static_cast<double>(*batch) / median},
                {"loss", step.report().take().loss}};
}

} // namespace espalier::worker
