// SPDX-License-Identifier: Apache-2.0
// Stages that stand side by side: each has a folder of its own in the run, and what comes after them joins them.
#include "core/training/tensorboard_mirror.h"
#include "core/training/training_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace espalier::training {
namespace fs = std::filesystem;

/// The step at which a stage of a branch goes on: that of its newest checkpoint, if there is one.
Result<std::optional<std::int64_t>> TrainingSession::ownCheckpoint(const plan::Stage& stage)
{
    const auto folder = folderOf(stage);
    const auto step = chooseCheckpoint(folder);
    if (!step)
        return step.error();
    if (*step < 0)
        return std::optional<std::int64_t>();
    const auto manifest = tensors::readManifest(folder.checkpointFolder(*step));
    if (!manifest)
        return manifest.error();
    return manifest->about.value("stage_id", "") == stage.id ? std::optional(*step) : std::optional<std::int64_t>();
}

/// A stage whose last checkpoint was lost has not ended; what was measured on the way stays, and so does what the stage that the run is in
/// was made of, which is in its own checkpoint. `newest`: the step of the run's own newest checkpoint, -1 for none.
Result<Done> TrainingSession::forgetLost(const plan::Stage& now, std::int64_t newest)
{
    const auto isUsed = [&](const plan::Stage& stage) {
        return newest >= 0 && !stage.branch.empty() && std::ranges::find(now.after, stage.id) != now.after.end();
    };
    std::map<std::string, std::int64_t> kept{{"", newest}};
    for (const auto& stage : m_plan.stages) {
        if (!plan::endOf(m_plan, stage.id) || isUsed(stage) || kept.contains(stage.branch))
            continue;
        const auto there = chooseCheckpoint(folderOf(stage));
        if (!there)
            return there.error();
        kept[stage.branch] = *there;
    }
    auto ledger = m_plan.ledger;
    const auto lost = std::erase_if(ledger, [&](const plan::Measurement& measurement) {
        const auto* stage = plan::findStage(m_plan, measurement.id);
        const auto end = stage ? plan::endOf(m_plan, stage->id) : std::nullopt;
        return end && !isUsed(*stage) && end->steps > std::max<std::int64_t>(kept[stage->branch], 0);
    });
    if (lost == 0)
        return Done{};
    auto planned = plan::planOf(*m_strategy, ledger);
    if (!planned)
        return planned.error();
    planned->left = m_plan.left;
    m_plan = *std::move(planned);
    return Done{};
}

/// A stage that ended and is no longer in memory, from its last checkpoint.
Result<growth::FileParent> TrainingSession::endedStage(const plan::StageId& id) const
{
    const auto* stage = plan::findStage(m_plan, id);
    const auto end = plan::endOf(m_plan, id);
    if (!stage || !end)
        return Error{ErrorCode::Internal, fmt::format("Stage {} has not ended, but something grows from it.", id), {}};
    auto read = growth::readStage(folderOf(*stage).checkpointFolder(end->steps).string(), stage->shape);
    if (!read)
        return Error{read.error().code, fmt::format("The checkpoint at the end of stage {} cannot be read. {}", id, read.error().message),
                     read.error().detail};
    return read;
}

/// Where a training by itself begins: behind what it was made of, at the beginning of an epoch that none of it has seen.
tensors::Counters TrainingSession::firstCounters(const plan::Stage& stage, std::span<const growth::Parent> parents) const
{
    const auto begin = plan::beginOf(m_plan, stage).value_or(plan::Progress{});
    tensors::Counters counters{.step = begin.steps, .images = begin.images, .flops = begin.flops};
    for (const auto& parent : parents) {
        const auto& before = parent.state->counters;
        counters.epoch = std::max(counters.epoch, before.epoch + (before.position > 0 ? 1 : 0));
    }
    return counters;
}

/// What a stage writes with: the run's own pen, or that of its branch. Rank 0.
Result<runs::RunWriter*> TrainingSession::penOf(const plan::Stage& stage)
{
    if (stage.branch.empty())
        return m_writer.get();
    if (m_branchWriter && m_branch == stage.branch)
        return m_branchWriter.get();
    const auto folder = folderOf(stage);
    std::error_code error;
    for (const auto& part : {folder.checkpointsFolder(), folder.tensorboardFolder()})
        if (fs::create_directories(part, error); error)
            return Error{ErrorCode::Io, fmt::format("The folder {} could not be made.", part.string()), error.message()};
    m_branchWriter.reset(); // before another takes its place
    auto writer = runs::RunWriter::open(folder, state().counters.step, tensorBoardMirror(folder.tensorboardFolder()));
    if (!writer)
        return writer.error();
    m_branchWriter = *std::move(writer);
    m_branch = stage.branch;
    return m_branchWriter.get();
}

/// One module that cannot be trained does not keep the others from it: they go on, and the run fails at the end.
bool TrainingSession::goesOnWithout(const plan::Request& request, const Error& error)
{
    const auto* train = std::get_if<plan::TrainStage>(&request);
    const auto* stage = train ? plan::findStage(m_plan, train->stage) : nullptr;
    if (!stage || stage->branch.empty() || error.code != ErrorCode::NotFinite)
        return false;
    m_failed.emplace(stage->id, Error{error.code, fmt::format("{}: {}", stage->id, error.message), error.detail});
    warn(fmt::format("{} failed, the other stages go on without it: {}", stage->id, error.message));
    return true;
}

} // namespace espalier::training
