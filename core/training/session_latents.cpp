// SPDX-License-Identifier: Apache-2.0
// What a session does where its network sees latents instead of pixels.
#include "core/training/latent_preparation.h"
#include "core/training/training_session.h"

#include <ATen/ATen.h>

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

/// Where the network sees latents: from the cache, which is made whole first.
Result<Done> TrainingSession::prepareLatents()
{
    if (!m_request.config.latents.enabled || m_latents) // latents that somebody else made are there
        return Done{};
    if (m_request.onlySteps) {
        m_latents = rehearsedLatents(m_request.config, *m_codec);
        return Done{};
    }
    auto ready = readyLatents({m_request.config, m_train, m_codec, m_request.group, m_link, m_state.counters.step, m_log, m_writer.get()});
    if (!ready)
        return ready.error();
    m_latents = *std::move(ready);
    if (!m_writer)
        m_codec.reset(); // only who draws needs it further
    return Done{};
}

/// A pause or stop before the first step of this attempt: the latents made so far are on the disk, and nothing else changed.
Result<runs::EndedHow> TrainingSession::leaveEarly()
{
    auto pause = at::zeros({1}, at::kLong); // rank 0 knows which it was
    for (const auto& wish : m_link.takeWishes()) {
        const bool leaves = wish.kind == runs::WishKind::Pause || wish.kind == runs::WishKind::Stop;
        if (wish.kind == runs::WishKind::Pause)
            pause.fill_(1);
        else if (wish.kind == runs::WishKind::Stop)
            pause.fill_(0);
        if (m_writer)
            m_writer->write(runs::WishAnswered{.id = wish.id,
                                               .wish = std::string(runs::wishText(wish.kind)),
                                               .answer = leaves ? "Left while latents were made." : "The training has not begun.",
                                               .granted = leaves,
                                               .step = m_state.counters.step});
    }
    m_request.group->broadcast(pause, 0);
    return pause.item<std::int64_t>() == 1 ? runs::EndedHow::Paused : runs::EndedHow::Stopped;
}

} // namespace espalier::training
