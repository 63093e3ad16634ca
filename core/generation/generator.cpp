// SPDX-License-Identifier: Apache-2.0
#include "core/generation/generator.h"

#include "core/diffusion/guidance.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

namespace espalier::generation {

Generator::Generator(std::shared_ptr<models::Model> model, const config::DiffusionConfig& diffusion, const config::SamplerConfig& sampler,
                     std::uint64_t seed, std::shared_ptr<const LatentCodec> codec)
    : m_model(std::move(model)), m_codec(std::move(codec)), m_config(sampler), m_seed(seed),
      m_sampler(diffusion::makeSampler(diffusion::Process(diffusion), sampler, m_codec == nullptr))
{
    m_model->eval();
}

Result<at::Tensor> Generator::draw(std::int64_t first, std::int64_t count, std::int64_t batch, const Progress& progress,
                                   std::stop_token stop)
{
    const c10::InferenceMode inference;
    const auto image = this->image();
    auto all = at::empty({count, image.height, image.width, image.channels}, at::kByte);
    const auto steps = m_sampler->steps();
    for (std::int64_t from = 0; from < count; from += batch) {
        const auto n = std::min(batch, count - from);
        const auto slots = at::arange(first + from, first + from + n, at::TensorOptions(device()).dtype(at::kLong));
        const auto network = diffusion::guidedNetwork(*m_model, labelsOf(slots), m_config);
        auto x = diffusion::Sampler::start(m_seed, slots, m_model->image()); // [n, 3 or 4, h, w]
        for (auto step = steps; step-- > 0;) {
            if (stop.stop_requested())
                return Error{ErrorCode::Cancelled, "Drawing was stopped before all images were there."};
            x = m_sampler->advance(step, network, x, m_seed, slots).next;
            if (progress)
                progress((static_cast<double>(from) + static_cast<double>(n * (steps - step)) / static_cast<double>(steps)) /
                         static_cast<double>(count));
        }
        if (m_codec) {
            const auto decoded = m_codec->decode(x, stop);
            if (!decoded)
                return decoded.error();
            all.narrow(0, from, n).copy_(*decoded);
        } else {
            all.narrow(0, from, n).copy_(quantised(x));
        }
    }
    return all;
}

models::ImageShape Generator::image() const
{
    const auto seen = m_model->image();
    constexpr auto kFactor = config::LatentsConfig::kFactor;
    return m_codec ? models::ImageShape{3, seen.height * kFactor, seen.width * kFactor} : seen;
}

at::Tensor Generator::labelsOf(const at::Tensor& slots) const
{
    const auto classes = m_model->classes();
    if (classes == 0)
        return {};
    return m_config.label < 0 ? slots.remainder(classes) : at::full_like(slots, m_config.label);
}

std::string Generator::samplerName() const
{
    const bool ddim = m_config.kind == config::SamplerKind::Ddim;
    const auto& respacing = m_config.timestepRespacing;
    const auto steps = ddim && respacing.empty() ? m_config.steps : m_sampler->steps();
    auto name = fmt::format("{}-{}", ddim ? "DDIM" : "DDPM", steps);
    if (!respacing.empty() && (ddim || respacing != std::to_string(steps)))
        name += fmt::format(", respaced {}", respacing);
    if (!m_config.clipDenoised && !m_codec)
        name += ", unclipped";
    if (m_config.guidance != 1.0) {
        name += fmt::format(", CFG {}", m_config.guidance);
        if (guidesFirstThree())
            name += " on 3 channels";
    }
    if (m_config.label >= 0)
        name += fmt::format(", class {}", m_config.label);
    if (m_config.stage >= 0)
        name += fmt::format(", stage {}", m_config.stage);
    return name;
}

bool Generator::guidesFirstThree() const
{
    return m_config.guidanceChannels == config::GuidanceChannels::FirstThree && m_model->image().channels > 3;
}

Json Generator::recipe() const
{
    Json recipe{{"sampler", samplerName()}, {"seed", m_seed}};
    const bool ddim = m_config.kind == config::SamplerKind::Ddim;
    if (ddim)
        recipe["eta"] = m_config.eta;
    if (!m_config.timestepRespacing.empty())
        recipe["timestep_respacing"] = m_config.timestepRespacing;
    else if (ddim)
        recipe["skip"] = m_config.skip == config::SkipSchedule::Linear ? "linear" : "quadratic";
    recipe["clip_denoised"] = m_config.clipDenoised && !m_codec; // latents never are
    if (m_model->classes() > 0) {
        recipe["guidance"] = m_config.guidance;
        recipe["guidance_channels"] = guidesFirstThree() ? "first-three" : "all";
        recipe["label"] = m_config.label < 0 ? Json("all in turn") : Json(m_config.label);
    }
    if (m_config.stage >= 0)
        recipe["stage"] = m_config.stage;
    if (m_codec)
        recipe["latents"] = m_codec->recipe();
    recipe["rounding"] = "127.5 x + 127.5, ties to even";
    return recipe;
}

std::int64_t drawingBatch(at::Device device)
{
    return device.is_cpu() ? 64 : 256;
}

at::Tensor quantised(const at::Tensor& images)
{
    return (images * 127.5 + 127.5).round().clamp(0, 255).to(at::kByte).permute({0, 2, 3, 1}).contiguous();
}

} // namespace espalier::generation
