// SPDX-License-Identifier: Apache-2.0
#pragma once

// The jobs of the worker: one file each. A request is JSON, so that the command line and the window ask in the same words.

#include "app/worker/out_of_memory.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/result.h"
#include "core/config/run_config.h"
#include "core/generation/latent_codec.h"
#include "core/runs/worker_link.h"

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

namespace espalier::worker {

struct JobContext {
    runs::WorkerLink& link;
    Log log;
    std::stop_token now;            // a second signal: leave without saving
    std::optional<Trained> trained; // set by jobs that train, for the sentence about memory
};

/// {"run": folder}: trains it to its end, a pause or a stop.
Result<Json> trainJob(const Json& request, JobContext& context);
/// The same, but leaves as soon as the next search has found its answer, or where there is none.
Result<Json> searchJob(const Json& request, JobContext& context);
/// {"config": whole configuration}: builds every stage and takes one step; writes nothing.
Result<Json> rehearseJob(const Json& request, JobContext& context);
/// {"checkpoint", "weights", "num", "sampler", "seed", "out", "npz", "device"}: images from weights.
Result<Json> sampleJob(const Json& request, JobContext& context);
/// {"checkpoint" | "images", "reference", "data", "weights", "num", "sampler", "seed", "out", "device"}: numbers for weights or images.
Result<Json> evaluateJob(const Json& request, JobContext& context);
/// {"checkpoint", "weights", "to", "out", "config"}: weights alone, for the code that `to` names.
Result<Json> exportJob(const Json& request, JobContext& context);
/// {"modules": […], "weights", "to", "out"}: modules that were trained apart as one model.
Result<Json> assembleJob(const Json& request, JobContext& context);
/// {"config": whole configuration, "devices"}: encodes the training images, or what is missing of them.
Result<Json> cacheLatentsJob(const Json& request, JobContext& context);
/// {"model", "batch", "steps", "warmup", "device", "precision"}: the time of a training step.
Result<Json> benchJob(const Json& request, JobContext& context);

// ── What several jobs need ──

/// The device of a rank: "auto" takes a GPU when there is one; a GPU that is not there is an error that names it.
Result<at::Device> deviceFor(const std::string& devices, int localRank);
/// The one that the supervisor chose for this rank; run by hand, that of `devices`.
Result<at::Device> deviceOfRank(const std::string& devices, const runs::Ranks& ranks);
/// CPU threads of this worker, and what only the first worker of a process may set.
void setThreads(std::int64_t threads, int localWorkers);

/// Weights to draw with and the configuration that they were made with.
struct Checkpoint {
    std::filesystem::path folder; // of a run's checkpoint; or a lone safetensors or PyTorch file, or a diffusers folder
    config::RunConfig config;
    std::int64_t step = -1;              // -1: unknown
    std::string identity;                // SHA-256 of what the weights lie in
    std::vector<std::string> classNames; // of its training set, where the checkpoint says so
    std::string encoderSha256;           // of the autoencoder whose latents they draw; "": pixels, or unknown
};
/// "latents" of a request ({"vae": …, "tile_side": …}) is laid over the settings.
/// "checkpoint" of a request: a run folder (its newest checkpoint), a checkpoint folder, or a lone file or diffusers folder with "config"
/// beside it in the request.
Result<Checkpoint> findCheckpoint(const Json& request);
/// What evaluateJob does for the metric "bpd": the variational bound of test images under these weights.
Result<Json> boundJob(const Json& request, const Checkpoint& checkpoint, JobContext& context);

/// What shows the latents that a checkpoint draws; null where it draws pixels.
Result<std::shared_ptr<const generation::LatentCodec>> codecFor(const Checkpoint& checkpoint, at::Device device, const Log& log);

/// Fields of requests, with a sentence that names the field when its type is wrong.
Result<std::string> textOf(const Json& request, const char* field, std::string fallback);
Result<std::int64_t> numberOf(const Json& request, const char* field, std::int64_t fallback, std::int64_t least, std::int64_t most);
/// "sampler" of a request laid over that of a group of settings, "samples" or "evaluation".
Result<config::SamplerConfig> samplerOf(const Json& request, const config::RunConfig& config, const char* group);

} // namespace espalier::worker
