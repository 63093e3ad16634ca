// SPDX-License-Identifier: Apache-2.0
#include "core/generation/latent_codec.h"

#include "core/generation/generator.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace espalier::generation {
namespace {

constexpr auto kFactor = config::LatentsConfig::kFactor, kChannels = config::LatentsConfig::kChannels;

Error named(const Error& error)
{
    return {error.code, fmt::format("latents.vae: {}", error.message), error.detail};
}

/// [0, 255] to [-1, 1], as training images are.
at::Tensor normalised(const at::Tensor& images, at::Device device)
{
    return images.to(device)
        .permute({0, 3, 1, 2})
        .to(at::kFloat, false, false, at::MemoryFormat::ChannelsLast)
        .div_(255.0)
        .sub_(0.5)
        .div_(0.5);
}

} // namespace

Result<std::shared_ptr<const LatentCodec>> LatentCodec::open(const config::RunConfig& config, at::Device device, const Log& log)
{
    const auto& latents = config.latents;
    if (!latents.enabled || latents.vae.empty())
        return std::shared_ptr<const LatentCodec>();
    auto file = models::openAutoencoder(latents.vae, device);
    if (!file)
        return named(file.error());
    const auto& options = file->network->options();
    if (options.factor() != kFactor || options.latentChannels != kChannels || options.imageChannels != 3)
        return Error{
            ErrorCode::Usage,
            fmt::format("latents.vae: {} makes {} channels of 1/{} of the side of images with {} channels; {} of 1/{} of 3 are needed. "
                        "Choose one like Stable Diffusion's kl-f8.",
                        file->file.string(), options.latentChannels, options.factor(), options.imageChannels, kChannels, kFactor),
            "latents.vae"};
    if (std::abs(options.scalingFactor / latents.scale - 1.0) > 1e-6 && log)
        log(LogLevel::Warning,
            fmt::format("latents.scale is {}, but {} asks for {}.", latents.scale, file->file.string(), options.scalingFactor));
    return std::shared_ptr<const LatentCodec>(std::make_shared<LatentCodec>(*std::move(file), latents, device));
}

std::int64_t LatentCodec::piece(std::int64_t side) const
{
    // An image of 256 pixels takes some 300 MB on its way.
    const std::int64_t images = m_device.is_cpu() ? 4 : 16;
    return std::clamp<std::int64_t>(images * 256 * 256 / (side * side), 1, 64);
}

at::Tensor LatentCodec::encode(const at::Tensor& images) const
{
    const at::NoGradGuard noGrad;
    const auto posterior = m_file.network->encode(normalised(images, m_device));
    return at::cat({posterior.mean, posterior.logVariance}, 1).to(at::kCPU).contiguous();
}

Result<at::Tensor> LatentCodec::decode(const at::Tensor& latents, std::stop_token stop) const
{
    const at::NoGradGuard noGrad;
    const auto count = latents.size(0), height = latents.size(2) * kFactor, width = latents.size(3) * kFactor;
    auto images = at::empty({count, height, width, 3}, at::kByte);
    const bool tiled = m_latents.tileSide > 0;
    const auto side = tiled ? std::min(m_latents.tileSide, std::max(height, width)) : std::max(height, width);
    const auto step = piece(side);
    for (std::int64_t from = 0; from < count; from += step) {
        if (stop.stop_requested())
            return Error{ErrorCode::Cancelled, "Drawing was stopped before all images were there."};
        const auto n = std::min(step, count - from);
        const auto z = latents.narrow(0, from, n).to(m_device) / m_latents.scale;
        const auto decoded = tiled ? m_file.network->decodeTiled(z, {.side = m_latents.tileSide / kFactor}) : m_file.network->decode(z);
        images.narrow(0, from, n).copy_(quantised(decoded));
    }
    return images;
}

Result<Done> LatentCodec::checkEncoder(const std::string& sha256) const
{
    if (sha256.empty() || sha256 == m_file.encoderSha256)
        return Done{};
    return Error{
        ErrorCode::Usage,
        fmt::format("latents.vae: the encoder of {} is not the one that these weights were trained with (SHA-256 {}… instead of {}…). "
                    "Name that autoencoder.",
                    m_file.file.string(), m_file.encoderSha256.substr(0, 12), sha256.substr(0, 12)),
        "latents.vae"};
}

Json LatentCodec::about() const
{
    return {
        {"vae", m_file.file.string()}, {"vae_sha256", m_file.sha256}, {"encoder_sha256", m_file.encoderSha256}, {"scale", m_latents.scale}};
}

Json LatentCodec::recipe() const
{
    Json recipe{{"vae", m_file.file.filename().string()}, {"vae_sha256", m_file.sha256}, {"scale", m_latents.scale}};
    recipe["decode"] = m_latents.tileSide > 0 ? fmt::format("tiles of {} pixels, a quarter blended", m_latents.tileSide) : "whole";
    return recipe;
}

Result<std::shared_ptr<const LatentCodec>> codecToDraw(const config::RunConfig& config, at::Device device, const Log& log)
{
    if (config.latents.enabled && config.latents.vae.empty())
        return Error{ErrorCode::Usage,
                     "These weights draw latents, and no autoencoder was named that turns them into images. Name one with --vae, or "
                     "latents.vae in the settings.",
                     "latents.vae"};
    return LatentCodec::open(config, device, log);
}

} // namespace espalier::generation
