// SPDX-License-Identifier: Apache-2.0
// What a session keeps of the frozen blocks of a stage.
#include "core/base/text.h"
#include "core/training/prefix_cache.h"
#include "core/training/training_session.h"

#include <fmt/format.h>

#include <chrono>

namespace espalier::training {

/// What a stage keeps, if anything.
plan::Prefix TrainingSession::prefixFor(const StageSetup& setup) const
{
    auto prefix = plan::prefixOf(setup.config, setup.stage, m_train->size());
    if (!prefix.kept() || hasRoom(prefix, *m_request.group))
        return prefix;
    m_log(LogLevel::Warning,
          fmt::format(
              "To keep {} takes {} on each of {} ranks, and so much memory is not free: it is computed in every step. A run that has kept "
              "it so far goes on equal to rounding but not bit for bit.",
              plan::outputText(prefix.blocks), bytesText(prefix.bytes), m_request.group->world()));
    return {};
}

/// Computes what is kept. It is training, as the steps are that do without: counted once, however often a run is resumed.
Result<Done> TrainingSession::keepPrefix(StageSetup& setup, const plan::Progress& before)
{
    const auto& prefix = setup.prefix;
    auto& counters = setup.trainee.state.counters;
    if (m_writer && !prefix.whyNot.empty())
        m_writer->log(LogLevel::Info, fmt::format("Not kept: {}. {}", plan::outputText(prefix.frozen), prefix.whyNot));
    if (!prefix.kept())
        return Done{};
    const bool counts = counters.flops <= before.flops;
    if (counts)
        m_clock.turnTo(Activity::Training);
    const auto began = std::chrono::steady_clock::now();
    auto computed = computePrefix({setup.config, prefix, *setup.train, *setup.trainee.model, m_request.device, *m_request.group, m_link,
                                   counters.step, m_log, m_writer.get()});
    m_clock.pause();
    if (!computed)
        return computed.error();
    setup.latents = *std::move(computed);
    if (counts)
        counters.flops += prefix.fillFlops;
    if (m_writer)
        m_writer->log(LogLevel::Info, fmt::format("Kept: {} for {} images{}, {} of memory, {}.", plan::outputText(prefix.blocks),
                                                  groupedNumber(setup.train->size()), prefix.versions > 1 ? " and their mirror images" : "",
                                                  bytesText(prefix.bytes), durationText(std::chrono::steady_clock::now() - began)));
    return Done{};
}

} // namespace espalier::training
