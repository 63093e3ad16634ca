// SPDX-License-Identifier: Apache-2.0
// Stages that stand side by side: each has a folder of its own in the run, and what comes after them joins them.
#include "core/training/tensorboard_mirror.h"
#include "core/training/training_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace espalier::training {
namespace fs = std::filesystem;

/// A branch that trains alone begins with what it was made of, or goes on in its own folder.
Result<Done> TrainingSession::startBranch()
{
    const auto ready = m_strategy->ready(m_plan);
    const auto ours = std::ranges::find_if(ready, [&](const plan::Request& each) { return isOurs(each); });
    const auto* next = ours != ready.end() ? std::get_if<plan::TrainStage>(&*ours) : nullptr;
    if (!next)
        return Error{
            ErrorCode::Usage, fmt::format("{} has nothing to train now: it is done, or waits for other stages.", *m_request.branch), {}};
    const auto stage = *plan::findStage(m_plan, next->stage);
    const auto own = ownCheckpoint(stage);
    if (!own)
        return own.error();
    auto built = build(stage, !*own);
    if (!built)
        return built.error();
    m_now = *std::move(built);
    if (*own) {
        m_stepOfRun = **own;
        return resume(folderOf(stage).checkpointFolder(**own));
    }
    m_stepOfRun = beginClock(stage).steps;
    for (const auto& before : stage.after)
        if (const auto end = plan::endOf(m_plan, before))
            if (const auto manifest = tensors::readManifest(folderOf(*plan::findStage(m_plan, before)).checkpointFolder(end->steps)))
                m_originOfRun = manifest->about.value("origin", Json());
    return Done{};
}

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

/// A training by itself goes on from what the run had done before it: what others did meanwhile is not its time.
plan::Progress TrainingSession::beginClock(const plan::Stage& stage)
{
    const auto began = plan::beginOf(m_plan, stage).value_or(plan::Progress{});
    m_clock.set(Activity::Training, began.seconds);
    m_clock.set(Activity::Searching, began.searchSeconds);
    return began;
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

/// The pen of a run, or of a branch, whose folder may not be there yet.
Result<std::unique_ptr<runs::RunWriter>> TrainingSession::openPen(const runs::RunFolder& folder, std::int64_t step)
{
    std::error_code error;
    for (const auto& part : {folder.checkpointsFolder(), folder.tensorboardFolder()})
        if (fs::create_directories(part, error); error)
            return Error{ErrorCode::Io, fmt::format("The folder {} could not be made.", part.string()), error.message()};
    return runs::RunWriter::open(folder, step, tensorBoardMirror(folder.tensorboardFolder()));
}

/// What a stage writes with: the run's own pen, or that of its branch. Rank 0.
Result<runs::RunWriter*> TrainingSession::penOf(const plan::Stage& stage)
{
    if (stage.branch.empty() || isBranch())
        return m_writer.get();
    if (m_branchWriter && m_branch == stage.branch)
        return m_branchWriter.get();
    m_branchWriter.reset(); // before another takes its place
    auto writer = openPen(folderOf(stage), state().counters.step);
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
    if (isBranch() || !stage || stage->branch.empty() || error.code != ErrorCode::NotFinite)
        return false;
    m_failed.emplace(stage->id, Error{error.code, fmt::format("{}: {}", stage->id, error.message), error.detail});
    warn(fmt::format("{} failed, the other stages go on without it: {}", stage->id, error.message));
    return true;
}

} // namespace espalier::training
