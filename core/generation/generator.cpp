// SPDX-License-Identifier: Apache-2.0
#include "core/generation/generator.h"

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
        const auto labels = labelsOf(slots);
        const diffusion::Network network = [&](const at::Tensor& x, const at::Tensor& t) { return output(x, t, labels); };
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

// Guidance (Ho and Salimans 2022) is linear, so it may act on whatever the network predicts. Both halves in one forward pass.
at::Tensor Generator::output(const at::Tensor& x, const at::Tensor& t, const at::Tensor& labels)
{
    if (!labels.defined() || m_config.guidance == 1.0)
        return m_model->forward({x, t, labels}, {}, {});
    const auto any = at::full_like(labels, m_model->classes());
    const auto both = m_model->forward({at::cat({x, x}), at::cat({t, t}), at::cat({labels, any})}, {}, {}).chunk(2);
    return at::lerp(both[1], both[0], m_config.guidance);
}

std::string Generator::samplerName() const
{
    const bool ddim = m_config.kind == config::SamplerKind::Ddim;
    auto name = fmt::format("{}-{}", ddim ? "DDIM" : "DDPM", ddim ? m_config.steps : m_sampler->steps());
    if (m_config.guidance != 1.0)
        name += fmt::format(", CFG {}", m_config.guidance);
    if (m_config.label >= 0)
        name += fmt::format(", class {}", m_config.label);
    return name;
}

Json Generator::recipe() const
{
    Json recipe{{"sampler", samplerName()}, {"seed", m_seed}};
    if (m_config.kind == config::SamplerKind::Ddim) {
        recipe["eta"] = m_config.eta;
        recipe["skip"] = m_config.skip == config::SkipSchedule::Linear ? "linear" : "quadratic";
    }
    if (m_model->classes() > 0) {
        recipe["guidance"] = m_config.guidance;
        recipe["label"] = m_config.label < 0 ? Json("all in turn") : Json(m_config.label);
    }
    if (m_codec)
        recipe["latents"] = m_codec->recipe();
    recipe["rounding"] = "127.5 x + 127.5, ties to even";
    return recipe;
}

at::Tensor quantised(const at::Tensor& images)
{
    return (images * 127.5 + 127.5).round().clamp(0, 255).to(at::kByte).permute({0, 2, 3, 1}).contiguous();
}

} // namespace espalier::generation
