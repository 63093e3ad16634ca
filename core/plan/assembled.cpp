// SPDX-License-Identifier: Apache-2.0
#include "core/plan/assembled.h"

#include "core/plan/stage_config.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::plan {

StageId moduleStage(std::size_t module)
{
    return fmt::format("module-{}", module);
}

Length AssembledStrategy::lengthOf(const config::PhaseConfig& own) const
{
    config::TrainingConfig training;
    training.steps = own.steps;
    training.epochs = own.epochs;
    training.seconds = own.seconds;
    training.batchSize = own.batchSize > 0 ? own.batchSize : m_config.training.batchSize;
    return plan::lengthOf(training, shareOf(m_data.images, own.dataShare));
}

Stage AssembledStrategy::phase(const StageId& id, const config::PhaseConfig& own, const Length& length, const Division& division) const
{
    auto stage = whole();
    stage.id = id;
    stage.weights.clear();
    stage.length = length;
    stage.shape.model = withBlocks(stage.shape.model, division);
    if (own.drop >= 0.0)
        stage.shape.model = withDrop(stage.shape.model, own.drop);
    if (own.batchSize > 0)
        stage.globalBatch = own.batchSize;
    stage.learningRate = own.learningRate;
    stage.optimizer = config::Carry::Reset;
    stage.recipe = OwnRecipe{own.warmupSteps, own.warmupEpochs, own.microBatch, own.mixGroup, own.gradNorm, own.dataShare, false};
    stage.division = division;
    return stage;
}

Result<std::vector<Stage>> AssembledStrategy::stages() const
{
    using enum config::Phases;
    using From = PartSource::From;
    const auto& model = m_config.model;
    const auto whole = config::divisionOf(m_schedule, model);
    const auto files = config::moduleFiles(m_schedule, std::ssize(whole));
    if (!files)
        return files.error();
    const auto count = whole.size();
    const Division meta(count, m_schedule.metaBlocks);
    const bool all = m_schedule.phase == All, assembles = all || m_schedule.phase == Assembled;
    std::vector<std::size_t> modules; // that are trained here
    for (std::size_t k = 0; k < count; ++k)
        if ((all || m_schedule.phase == Modules) && (*files)[k].empty() &&
            (m_schedule.module < 0 || static_cast<std::size_t>(m_schedule.module) == k))
            modules.push_back(k);
    // Where everything comes from elsewhere the meta model has no use.
    const bool trainsMeta = m_schedule.phase == Meta || (all && m_schedule.metaFrom.empty() && !modules.empty());
    if (!trainsMeta && modules.empty() && !assembles)
        return Error{ErrorCode::Usage, "Nothing is left to train: schedule.module_files names the modules that this run would train.",
                     "schedule.module_files"};

    // Lengths of their own, or shares of the run's in the published proportion of 300 to 100 to 100 epochs.
    constexpr double kMetaShare = 3.0, kOtherShare = 1.0;
    const bool own = m_schedule.pt.hasLength() || m_schedule.mt.hasLength() || m_schedule.ft.hasLength();
    std::vector<const config::PhaseConfig*> phases;
    std::vector<double> shares;
    const auto trained = [&](const config::PhaseConfig& phase, double share) {
        phases.push_back(&phase);
        shares.push_back(share);
    };
    if (trainsMeta)
        trained(m_schedule.pt, kMetaShare);
    for (std::size_t i = 0; i < modules.size(); ++i)
        trained(m_schedule.mt, kOtherShare);
    if (assembles)
        trained(m_schedule.ft, kOtherShare);
    std::vector<Length> parts;
    if (own) {
        for (const auto* phase : phases)
            parts.push_back(lengthOf(*phase));
    } else {
        auto shared = lengths(shares);
        if (!shared)
            return shared.error();
        parts = *std::move(shared);
    }

    std::vector<Stage> stages;
    const auto next = [&](const StageId& id, const Division& division) {
        const auto place = stages.size();
        auto stage = phase(id, *phases[place], parts[place], division);
        stage.index = static_cast<int>(place);
        return stage;
    };
    const bool alone = m_schedule.module >= 0;
    if (trainsMeta) {
        auto stage = next(kMetaStage, meta);
        stage.weights = ChainStrategy::whole().weights; // those of init.from, if any
        stages.push_back(std::move(stage));
    }
    const ModuleOrigin ofMeta{trainsMeta ? From::Stage : From::File, trainsMeta ? kMetaStage : m_schedule.metaFrom, meta,
                              m_schedule.weights};
    for (const auto k : modules) {
        const auto division = inside(meta, whole, k);
        auto stage = next(moduleStage(k), division);
        std::vector<ModuleOrigin> origins(count, ofMeta);
        origins[k] = {}; // begins anew
        stage.weights = joined(model, division, origins, ofMeta);
        stage.trainable = partsOfModule(model, division, k);
        stage.module = static_cast<std::int64_t>(k);
        stage.recipe->decayTables =
            m_config.recipe.strict && k == 0; // the published optimizer sees the module alone, without its model's exceptions
        stage.branch = alone ? "" : stage.id;
        if (trainsMeta)
            stage.after = {kMetaStage};
        stages.push_back(std::move(stage));
    }
    if (assembles) {
        auto stage = next(kAssembledStage, whole);
        std::vector<ModuleOrigin> origins;
        for (std::size_t k = 0; k < count; ++k) {
            const bool here = (*files)[k].empty();
            origins.push_back(
                {here ? From::Stage : From::File, here ? moduleStage(k) : (*files)[k], inside(meta, whole, k), m_schedule.weights});
            if (here)
                stage.after.push_back(moduleStage(k));
        }
        stage.weights = joined(model, whole, origins, origins.front());
        stages.push_back(std::move(stage));
    }
    return stages;
}

} // namespace espalier::plan
