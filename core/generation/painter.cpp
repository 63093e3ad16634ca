// SPDX-License-Identifier: Apache-2.0
#include "core/generation/painter.h"

#include "core/config/config.h"
#include "core/generation/shared_drawing.h"

namespace espalier::generation {

Json Painter::ask(const std::string& weights, const config::SamplerConfig& sampler, std::int64_t seed) const
{
    auto config = m_config;
    config.samples.sampler = sampler;
    return {{"work", kDrawAsk}, {"weights", weights}, {"sampler", config::write(config)["samples"]["sampler"]}, {"seed", seed}};
}

Result<Generator> Painter::generator(const tensors::TrainState& state, const Json& ask)
{
    if (m_config.latents.enabled && !m_codec)
        return Error{ErrorCode::Usage,
                     "This run has no autoencoder to show its latents with. Pause it, and name one in latents.vae as it is resumed."};
    auto whole = config::write(m_config);
    whole["samples"]["sampler"] = ask.at("sampler");
    const auto config = config::read(whole);
    if (!config)
        return config.error();
    auto model = m_model.from(state, ask.at("weights").get<std::string>());
    if (!model)
        return model.error();
    return Generator(*model, m_config.diffusion, config->samples.sampler, ask.at("seed").get<std::uint64_t>(), m_codec);
}

} // namespace espalier::generation
