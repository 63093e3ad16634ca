// SPDX-License-Identifier: Apache-2.0
// Where a run begins, or goes on.
#include "core/training/training_session.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::training {

Result<Done> TrainingSession::start()
{
    if (isBranch())
        return startBranch();
    const auto chosen = m_request.onlySteps ? Result<std::int64_t>(-1) : chooseCheckpoint(m_request.folder);
    if (!chosen)
        return chosen.error();
    m_stepOfRun = std::max<std::int64_t>(*chosen, 0);
    auto checkpoint = *chosen < 0 ? std::filesystem::path() : m_request.folder.checkpointFolder(*chosen);
    const plan::Stage* stage = &m_plan.stages.front();
    if (!checkpoint.empty()) {
        const auto manifest = tensors::readManifest(checkpoint);
        if (!manifest)
            return manifest.error();
        if (const auto* known = plan::findStage(m_plan, manifest->about.value("stage_id", "")))
            stage = known;
    }
    const auto id = stage->id;
    if (!m_request.onlySteps)
        if (auto forgotten = forgetLost(*stage, *chosen); !forgotten)
            return forgotten;
    stage = plan::findStage(m_plan, id);
    // What trains beside the run itself, in turn, goes on in its own folder.
    for (const auto& request : m_strategy->ready(m_plan)) {
        if (!isOurs(request))
            continue;
        const auto* next = std::get_if<plan::TrainStage>(&request);
        const auto* branch = next ? plan::findStage(m_plan, next->stage) : nullptr;
        if (!branch || branch->branch.empty())
            continue;
        const auto own = ownCheckpoint(*branch);
        if (!own)
            return own.error();
        if (!*own)
            continue;
        stage = branch;
        checkpoint = folderOf(*branch).checkpointFolder(**own);
        break;
    }
    if (checkpoint.empty() && plan::findMeasurement(m_plan, stage->id)) // done elsewhere in the run: begin with what is not
        if (const auto ready = m_strategy->ready(m_plan); !ready.empty())
            if (const auto* next = std::get_if<plan::TrainStage>(&ready.front()))
                stage = plan::findStage(m_plan, next->stage);
    auto built = build(*stage, checkpoint.empty());
    if (!built)
        return built.error();
    m_now = *std::move(built);
    if (checkpoint.empty())
        beginClock(m_now->stage);
    auto begun = checkpoint.empty() ? firstWeights() : resume(checkpoint);
    m_clock.raise(Activity::Searching, plan::spentOnSearching(m_plan).seconds); // a search since the checkpoint is not made again
    return begun;
}

/// The step of the newest checkpoint that can be read; -1: the run begins. Rank 0 chooses, so that all ranks go on from the same step.
Result<std::int64_t> TrainingSession::chooseCheckpoint(const runs::RunFolder& folder)
{
    constexpr std::int64_t kNone = -1, kAllDamaged = -2;
    auto chosen = at::full({1}, kNone, at::kLong);
    std::optional<Error> problem;
    if (m_request.group->rank() == 0) {
        if (const auto newest = newestValidCheckpoint(folder, m_log); !newest) {
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

Result<Done> TrainingSession::resume(const std::filesystem::path& checkpoint)
{
    auto& state = m_now->trainee.state;
    auto manifest = tensors::loadCheckpoint(checkpoint, state);
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
        if (auto origin = loadFirstWeights(m_now->config, state, m_request.config); !origin) {
            problem = origin.error();
            failed.fill_(1);
        } else {
            if (origin->unused > 0)
                m_log(LogLevel::Warning,
                      fmt::format("{} of the {} tensors of {} are not used: stage 0 is smaller, and later stages grow from it.",
                                  origin->unused, origin->tensors, origin->path));
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
