// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job.h"

#include "core/base/files.h"
#include "core/config/config.h"
#include "core/config/devices.h"
#include "core/formats/weights_file.h"
#include "core/machine/cpu.h"
#include "core/runs/retention.h"
#include "core/tensors/checkpoint.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/cuda.h>

#include <algorithm>
#include <cstdlib>

namespace espalier::worker {
namespace fs = std::filesystem;

Result<at::Device> deviceFor(const std::string& devices, int localRank)
{
    const auto ask = config::parseDevices(devices);
    if (!ask)
        return ask.error();
    if (ask->kind == config::DeviceKind::Cpu || (ask->kind == config::DeviceKind::Auto && !torch::cuda::is_available()))
        return at::Device(at::kCPU);
    const int index = ask->indices.empty() ? localRank : ask->indices[static_cast<std::size_t>(localRank) % ask->indices.size()];
    const int found = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
    if (index >= found)
        return Error{
            ErrorCode::Device,
            found == 0 ? fmt::format(
                             "devices asks for GPU {}, but no usable GPU was found. Set devices to cpu, or run espalier-cli doctor.", index)
                       : fmt::format("devices asks for GPU {}, but only 0 to {} are here.", index, found - 1)};
    return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

Result<at::Device> deviceOfRank(const std::string& devices, const runs::Ranks& ranks)
{
    const char* given = std::getenv(runs::environment::kDevice);
    if (!given || !*given)
        return deviceFor(devices, ranks.localRank);
    const std::string_view text(given);
    return deviceFor(std::string(text.starts_with("cuda:") ? text.substr(5) : text), 0);
}

void setThreads(std::int64_t threads, int localWorkers)
{
    at::set_num_threads(threads > 0 ? static_cast<int>(threads) : std::max(1, machine::cpu().cores / std::max(1, localWorkers)));
}

Result<Checkpoint> findCheckpoint(const Json& request)
{
    const auto given = textOf(request, "checkpoint", "");
    if (!given)
        return given.error();
    fs::path path = *given;
    if (path.empty())
        return Error{ErrorCode::Usage, "No checkpoint was named. Give a run, a checkpoint folder, a safetensors or a PyTorch file."};
    if (runs::isRunFolder(path)) {
        const auto stored = runs::storedCheckpoints(runs::RunFolder(path));
        if (stored.empty())
            return Error{ErrorCode::Usage, fmt::format("{} has no checkpoint yet. Let it train on, or ask it for one.", path.string())};
        path = runs::RunFolder(path).checkpointFolder(stored.back().step);
    }
    if (!fs::exists(path))
        return Error{ErrorCode::Io, fmt::format("There is no checkpoint at {}.", path.string())};
    Checkpoint checkpoint{.folder = path};
    Json config = request.value("config", Json());
    const bool foreign = formats::isDiffusersFolder(path);
    if (fs::is_directory(path) && !foreign) {
        const auto manifest = tensors::readManifest(path);
        if (!manifest)
            return manifest.error();
        checkpoint.step = manifest->counters.step;
        for (const auto& file : manifest->files)
            checkpoint.identity += file.sha256;
        checkpoint.identity = sha256(std::as_bytes(std::span(checkpoint.identity.data(), checkpoint.identity.size())));
        if (config.is_null() && manifest->about.contains("config"))
            config = manifest->about["config"];
        if (const auto names = manifest->about.find("class_names"); names != manifest->about.end() && names->is_array())
            for (const auto& name : *names)
                checkpoint.classNames.push_back(name.is_string() ? name.get<std::string>() : std::string());
        if (const auto latents = manifest->about.find("latents"); latents != manifest->about.end() && latents->is_object())
            checkpoint.encoderSha256 = latents->value("encoder_sha256", "");
    }
    if (config.is_null())
        return Error{ErrorCode::Usage,
                     fmt::format("{} does not say how its network was built. Give its configuration with --config.", path.string())};
    if (checkpoint.identity.empty()) {
        const auto weights = foreign ? formats::WeightsFile::open(path) : Result<formats::WeightsFile>(Error{});
        if (foreign && !weights)
            return weights.error();
        auto hash = sha256OfFile(foreign ? weights->path() : path);
        if (!hash)
            return hash.error();
        checkpoint.identity = *hash;
    }
    if (request.contains("latents"))
        config = config::merge(config, {{"latents", request["latents"]}});
    auto read = config::read(config);
    if (!read)
        return read.error();
    checkpoint.config = *read;
    if (request.contains("latents") && !checkpoint.config.latents.enabled)
        return Error{ErrorCode::Usage,
                     fmt::format("{} draws pixels: it needs no autoencoder. Leave --vae and --tile away.", path.string())};
    return checkpoint;
}

Result<std::shared_ptr<const generation::LatentCodec>> codecFor(const Checkpoint& checkpoint, at::Device device, const Log& log)
{
    auto codec = generation::codecToDraw(checkpoint.config, device, log);
    if (!codec || !*codec)
        return codec;
    if (auto same = (*codec)->checkEncoder(checkpoint.encoderSha256); !same)
        return same.error();
    return codec;
}

Result<std::string> textOf(const Json& request, const char* field, std::string fallback)
{
    if (!request.contains(field) || request[field].is_null())
        return fallback;
    if (!request[field].is_string())
        return Error{ErrorCode::Usage, fmt::format("\"{}\" must be text.", field)};
    return request[field].get<std::string>();
}

Result<std::int64_t> numberOf(const Json& request, const char* field, std::int64_t fallback, std::int64_t least, std::int64_t most)
{
    if (!request.contains(field) || request[field].is_null())
        return fallback;
    if (!request[field].is_number_integer() || request[field].get<std::int64_t>() < least || request[field].get<std::int64_t>() > most)
        return Error{ErrorCode::Usage, fmt::format("\"{}\" must be a whole number from {} to {}.", field, least, most)};
    return request[field].get<std::int64_t>();
}

Result<config::SamplerConfig> samplerOf(const Json& request, const config::RunConfig& config, const char* group)
{
    auto whole = config::write(config);
    if (request.contains("sampler"))
        whole = config::merge(std::move(whole), {{group, {{"sampler", request["sampler"]}}}});
    auto read = config::read(whole);
    if (!read)
        return read.error();
    return group == std::string_view("evaluation") ? read->evaluation.sampler : read->samples.sampler;
}

} // namespace espalier::worker
