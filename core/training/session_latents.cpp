// SPDX-License-Identifier: Apache-2.0
// What a session does where its network sees latents instead of pixels.
#include "core/training/latent_preparation.h"
#include "core/training/training_session.h"

namespace espalier::training {

/// Opened now, so that a missing autoencoder is told at once.
Result<Done> TrainingSession::openCodec()
{
    auto codec = generation::LatentCodec::open(m_request.config, m_request.device, m_log);
    if (!codec)
        return codec.error();
    m_codec = *std::move(codec);
    return Done{};
}

/// Where the network sees latents: from the cache of the side of the stage, which is made whole first.
Result<Done> TrainingSession::prepareLatents(StageSetup& setup)
{
    if (!setup.config.latents.enabled || setup.latents) // latents that somebody else made are there
        return Done{};
    if (m_request.onlySteps) {
        setup.latents = rehearsedLatents(setup.config, *m_codec);
        return Done{};
    }
    auto ready = readyLatents({setup.config, setup.train, m_codec, m_request.group, m_link, state().counters.step, m_log, m_writer.get()});
    if (!ready)
        return ready.error();
    setup.latents = *std::move(ready);
    return Done{};
}

} // namespace espalier::training
