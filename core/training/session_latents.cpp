// SPDX-License-Identifier: Apache-2.0
// What a session does where its network sees latents instead of pixels.
#include "core/config/data_side.h"
#include "core/plan/stage_config.h"
#include "core/training/latent_preparation.h"
#include "core/training/training_session.h"

#include <fmt/format.h>

#include <algorithm>

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

bool TrainingSession::encodes() const
{
    return m_request.config.latents.enabled && !m_latents && !m_request.onlySteps;
}

/// The images of a configuration, which may be of another side than the run's.
Result<SearchData> TrainingSession::dataOf(config::RunConfig config) const
{
    StageSetup setup;
    setup.config = std::move(config);
    if (auto opened = openStageData(setup); !opened)
        return opened.error();
    return SearchData{std::move(setup.config), std::move(setup.train), std::move(setup.latents)};
}

/// The same at a side of what the network sees.
Result<SearchData> TrainingSession::dataAt(std::int64_t side) const
{
    auto config = m_request.config;
    config.data = config::atSide(config.data, side * plan::pixelsPerPosition(config));
    return dataOf(std::move(config));
}

/// Latents of all sides that the schedule can come to could be made: known now, and not at stage 3 after an hour.
Result<Done> TrainingSession::checkSides()
{
    if (!encodes())
        return Done{};
    std::vector<SearchData> sides;
    for (const auto side : m_strategy->sides(m_plan)) {
        auto data = dataAt(side);
        if (!data)
            return data.error();
        sides.push_back(*std::move(data));
    }
    return sides.empty() ? Result<Done>(Done{}) : checkLatents(sides, *m_codec);
}

/// Encodes what the schedule can come to before its first step.
Result<Done> TrainingSession::encodeSides()
{
    if (!encodes() || m_request.config.latents.when == config::EncodeWhen::Stage)
        return Done{};
    const auto sides = m_strategy->sides(m_plan);
    for (std::size_t i = 0; i < sides.size(); ++i) {
        const auto data = dataAt(sides[i]);
        if (!data)
            return data.error();
        const auto which = sides.size() > 1 ? fmt::format("side {} of {}, {} pixels: ", i + 1, sides.size(), data->config.data.side) : "";
        if (auto made = latentsOf(*data, which); !made)
            return made.error();
    }
    return Done{};
}

/// From the cache of the side of a configuration, which is made whole first; looked at once in a session. All ranks together.
Result<std::shared_ptr<const data::LatentSet>> TrainingSession::latentsOf(const SearchData& data, const std::string& which)
{
    auto& known = m_encoded[{data.config.data.side, data.images->fingerprint()}];
    if (known)
        return known;
    m_clock.turnTo(Activity::Encoding);
    auto ready =
        readyLatents({data.config, data.images, m_codec, m_request.group, m_link, state().counters.step, m_log, m_writer.get(), which});
    m_clock.pause();
    if (ready)
        known = *ready;
    return ready;
}

/// Where the network sees latents: those of the side of the stage, and of each candidate's where a supernet sees several.
Result<Done> TrainingSession::prepareLatents(StageSetup& setup)
{
    if (!setup.config.latents.enabled || setup.latents) // latents that somebody else made are there
        return Done{};
    if (m_request.onlySteps) {
        setup.latents = rehearsedLatents(setup.config, *m_codec);
        return Done{};
    }
    if (setup.stage.role != plan::Stage::Role::Supernet) {
        auto ready = latentsOf({setup.config, setup.train, {}}, "");
        if (!ready)
            return ready.error();
        setup.latents = *std::move(ready);
        return Done{};
    }
    for (const auto& candidate : setup.stage.window) {
        const auto ofSide = dataAt(plan::sideOf(setup.stage, candidate));
        if (!ofSide)
            return ofSide.error();
        auto ready = latentsOf(*ofSide, "");
        if (!ready)
            return ready.error();
        setup.ofCandidates.push_back(*std::move(ready));
    }
    setup.latents = *std::ranges::max_element(setup.ofCandidates, {}, [](const auto& each) { return each->layout().side; });
    return Done{};
}

} // namespace espalier::training
