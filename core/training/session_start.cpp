// SPDX-License-Identifier: Apache-2.0
// Where a run begins, or goes on.
#include "core/training/training_session.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::training {

Result<Done> TrainingSession::start()
{
    const auto chosen = m_request.onlySteps ? Result<std::int64_t>(-1) : chooseCheckpoint();
    if (!chosen)
        return chosen.error();
    const bool resumed = *chosen >= 0;
    const plan::Stage* stage = &m_plan.stages.front();
    if (resumed) {
        const auto manifest = tensors::readManifest(m_request.folder.checkpointFolder(*chosen));
        if (!manifest)
            return manifest.error();
        if (const auto* known = plan::findStage(m_plan, manifest->about.value("stage_id", "")))
            stage = known;
    }
    // A stage whose last checkpoint was lost has not ended; what was measured on the way stays.
    auto ledger = m_plan.ledger;
    const auto lost = std::erase_if(ledger, [&](const plan::Measurement& measurement) {
        const auto end = plan::findStage(m_plan, measurement.id) ? plan::endOf(m_plan, measurement.id) : std::nullopt;
        return end && end->steps > std::max<std::int64_t>(*chosen, 0);
    });
    if (lost > 0) {
        const auto id = stage->id;
        auto planned = plan::planOf(*m_strategy, ledger);
        if (!planned)
            return planned.error();
        m_plan = *std::move(planned);
        stage = plan::findStage(m_plan, id);
    }
    auto built = build(*stage);
    if (!built)
        return built.error();
    m_now = *std::move(built);
    return resumed ? resume(*chosen) : firstWeights();
}

/// The step of the newest checkpoint that can be read; -1: the run begins. Rank 0 chooses, so that all ranks go on from the same step.
Result<std::int64_t> TrainingSession::chooseCheckpoint()
{
    constexpr std::int64_t kNone = -1, kAllDamaged = -2;
    auto chosen = at::full({1}, kNone, at::kLong);
    std::optional<Error> problem;
    if (m_request.group->rank() == 0) {
        if (const auto newest = newestValidCheckpoint(m_request.folder, m_log); !newest) {
            problem = newest.error();
            chosen[0] = kAllDamaged;
        } else if (*newest) {
            chosen[0] = runs::stepOfName((*newest)->filename().string());
        }
    }
    m_request.group->broadcast(chosen, 0);
    if (problem)
        return *problem;
    const auto step = chosen[0].item<std::int64_t>();
    if (step == kAllDamaged)
        return Error{ErrorCode::Lost, "Rank 0 found no checkpoint that can be read."};
    return step;
}

Result<Done> TrainingSession::resume(std::int64_t step)
{
    auto& state = m_now->trainee.state;
    auto manifest = tensors::loadCheckpoint(m_request.folder.checkpointFolder(step), state);
    if (!manifest)
        return manifest.error();
    m_originOfRun = manifest->about.value("origin", Json());
    m_clock.restore(manifest->clock);
    if (const auto difference = manifest->madeOn.difference(state.madeOn); !difference.empty())
        m_log(LogLevel::Warning,
              fmt::format("Resumed on another machine or build ({}): the run goes on, equal to rounding but not bit for bit.", difference));
    const auto data = manifest->about.value("data", "");
    if (!data.empty() && data != m_train->fingerprint())
        m_log(LogLevel::Warning, "The images are not those that this run was trained on so far. It goes on with the present ones.");
    const auto latents = manifest->about.value("latents", Json::object());
    if (m_codec)
        return m_codec->checkEncoder(latents.is_object() ? latents.value("encoder_sha256", "") : "");
    return Done{};
}

/// Rank 0 reads what init.from names and gives it to all.
Result<Done> TrainingSession::firstWeights()
{
    if (m_request.config.init.from.empty())
        return Done{};
    auto& state = m_now->trainee.state;
    auto& group = *m_request.group;
    auto failed = at::zeros({1}, at::kLong);
    std::optional<Error> problem;
    if (group.rank() == 0) {
        if (auto origin = loadFirstWeights(m_now->config, state); !origin) {
            problem = origin.error();
            failed.fill_(1);
        } else {
            m_originOfRun = origin->toJson();
            m_origin = *std::move(origin);
        }
    }
    group.broadcast(failed, 0);
    if (problem)
        return *problem;
    if (failed[0].item<std::int64_t>() != 0)
        return Error{ErrorCode::Lost, "Rank 0 could not begin with the weights that init.from names."};
    const at::NoGradGuard noGrad;
    for (auto& slot : state.slots) {
        if (group.world() > 1) {
            const auto flat = slot.value.detach().clone(at::MemoryFormat::Contiguous);
            group.broadcast(flat, 0);
            slot.value.detach().copy_(flat);
        }
        for (auto& average : slot.ema)
            average.copy_(slot.value);
    }
    return Done{};
}

} // namespace espalier::training
