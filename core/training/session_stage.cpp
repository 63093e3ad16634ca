// SPDX-License-Identifier: Apache-2.0
// From one stage to the next: the network grows, and whatever feeds and watches it is made anew.
#include "core/config/batch.h"
#include "core/config/config.h"
#include "core/data/subset.h"
#include "core/growth/freeze.h"
#include "core/growth/grow.h"
#include "core/plan/module_source.h"
#include "core/plan/stage_config.h"
#include "core/training/optimizer.h"
#include "core/training/training_session.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <deque>

namespace espalier::training {
namespace {

/// Batches whose memory a GPU may still be reading.
constexpr int kBatchesHeld = 2;

data::BufferFactory buffersFor(at::Device device)
{
    if (!device.is_cuda())
        return {};
    return [](std::size_t bytes) -> std::shared_ptr<std::byte> {
        auto pinned = std::make_shared<at::Tensor>(
            at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions().dtype(at::kByte).pinned_memory(true)));
        return {pinned, reinterpret_cast<std::byte*>(pinned->data_ptr())};
    };
}

/// What labels mean to the network: how many there are, and which stands for any class.
Json classFacts(const config::ModelConfig& model)
{
    const auto count = config::classesOf(model);
    const bool any = config::drawsImages(model) && count > 0 &&
                     (std::holds_alternative<config::UNetConfig>(model) || config::classDropoutOf(model) > 0.0);
    return {{"count", count}, {"null_row", any ? Json(count) : Json()}};
}

/// Everything as it is, for a stage whose settings a search has just changed.
plan::Stage onward(plan::Stage stage)
{
    stage.weights = {{.from = plan::PartSource::From::Stage, .which = stage.id}};
    stage.optimizer = config::Carry::Keep;
    stage.recipe.reset();
    return stage;
}

} // namespace

/// A network with what trains it. Where the stage begins, with its first weights but for those that init.from names.
Result<std::unique_ptr<StageSetup>> TrainingSession::build(const plan::Stage& stage, bool begins) const
{
    auto setup = std::make_unique<StageSetup>();
    setup->stage = stage;
    setup->config = plan::configOf(m_request.config, stage);
    const auto& config = setup->config;
    const auto& group = m_request.group;
    const auto split = splitOf(config.training);
    if (!split)
        return split.error();
    setup->share = {split->globalBatch(), split->microBatch, split->accumulation, group->rank(), group->world()};
    auto made = makeTrainee(config, m_request.device);
    if (!made)
        return made.error();
    setup->trainee = *std::move(made);
    auto& [model, objective, state] = setup->trainee;
    state.madeOn =
        tensors::Fingerprint::here(m_request.device, ranksOfBatch(), config.training.channelsLast ? "channels_last" : "contiguous");
    if (begins)
        if (auto grown = grow(*setup); !grown)
            return grown.error();
    growth::setTrainable(state, stage.shape, stage.trainable, [&](tensors::Slot& slot) { giveMoments(slot, config.training); });
    setup->prefix = prefixFor(*setup);
    setup->step =
        std::make_unique<TrainStep>(TrainStep::Parts{*model, *objective, state, group, setup->share, m_request.device, kBatchesHeld,
                                                     setup->prefix.kept() ? setup->prefix.values : std::vector<std::int64_t>{}},
                                    config);
    state.parts = {objective.get(), &setup->step->report()};
    if (auto* scale = setup->step->lossScale()) {
        state.parts.push_back(scale);
        if (begins && m_now && !stage.recipe && m_now->step->lossScale())
            scale->takeOver(*m_now->step->lossScale());
    }
    return setup;
}

/// What the networks before knew, and how far the run is.
Result<Done> TrainingSession::grow(StageSetup& next) const
{
    const bool same = m_now && next.stage.id == m_now->stage.id;
    const auto wanted = same ? Result<plan::Stage>(onward(next.stage)) : plan::withSources(next.stage, m_request.config);
    if (!wanted)
        return wanted.error();
    std::vector<growth::Parent> parents;
    std::deque<growth::FileParent> ended; // those that are no longer in memory
    bool fromElsewhere = false;
    for (const auto& source : wanted->weights) {
        fromElsewhere = fromElsewhere || (source.from == plan::PartSource::From::File && !source.to.part.empty());
        if (source.from != plan::PartSource::From::Stage || std::ranges::find(parents, source.which, &growth::Parent::id) != parents.end())
            continue;
        if (m_now && m_now->stage.id == source.which) {
            parents.push_back({m_now->stage.id, m_now->stage.shape, &state()});
            continue;
        }
        auto read = endedStage(source.which);
        if (!read)
            return read.error();
        ended.push_back(*std::move(read));
        parents.push_back({source.which, ended.back().shape, &ended.back().state});
    }
    auto& counters = next.trainee.state.counters;
    if (next.stage.recipe && !same)
        counters = firstCounters(next.stage, parents);
    else if (m_now)
        counters = state().counters;
    return parents.empty() && !fromElsewhere ? Result<Done>(Done{}) : growth::grow(*wanted, parents, next.trainee.state);
}

/// Makes a stage the one that trains now, unless it is.
Result<Done> TrainingSession::begin(const plan::Stage& stage)
{
    if (m_now->stage != stage) {
        if (m_now->checkpoints)
            if (auto finished = m_now->checkpoints->finish(); !finished)
                return finished;
        auto next = build(stage, true);
        if (!next)
            return next.error();
        m_now = *std::move(next);
        if (stage.recipe)
            beginClock(stage);
    }
    auto& now = *m_now;
    if (now.loop)
        return Done{};
    if (auto opened = openStageData(now); !opened)
        return opened;
    if (auto given = giveScribe(now); !given)
        return given;
    if (auto ready = prepareLatents(now); !ready)
        return ready;
    const auto before = plan::beginOf(m_plan, stage).value_or(plan::Progress{});
    if (auto kept = keepPrefix(now, before); !kept)
        return kept;
    if (auto started = startLoader(now); !started)
        return started;
    if (m_writer) {
        const runs::StageStarted started{.index = stage.index, .id = stage.id, .fromStep = before.steps};
        m_writer->write(started);
        m_writer->state(runs::RunState::Training);
        if (auto* pen = stage.branch.empty() ? nullptr : m_branchWriter.get()) {
            pen->write(started);
            pen->state(runs::RunState::Training);
        }
    }
    now.loop.emplace(StageLoop::Parts{*now.step, *now.loader, now.trainee.state, now.share, m_request.group, m_link, m_clock,
                                      m_request.device, now.train->size(), now.scribe ? &*now.scribe : nullptr, *now.painter,
                                      *now.examination, now.prefix, m_control, m_wishes},
                     now.config, stage, StagePlace{before, horizon(), stage.id == m_plan.stages.back().id});
    return Done{};
}

/// The images at the side of the stage, and of these the share that it sees.
Result<Done> TrainingSession::openStageData(StageSetup& setup) const
{
    setup.train = m_train;
    setup.test = m_test;
    setup.latents = m_latents;
    const auto& data = setup.config.data;
    if (data.side != m_request.config.data.side) {
        auto train = data::open(data, data::Split::Train, runs::dataFolder(), {});
        if (!train)
            return train.error();
        setup.train = *train;
        if (m_test)
            if (auto test = data::open(data, data::Split::Test, runs::dataFolder(), {}); test)
                setup.test = *test;
    }
    if (const auto count = plan::imagesOf(setup.stage, setup.train->size()); count < setup.train->size()) {
        const auto places = data::balancedPlaces(*setup.train, count, static_cast<std::uint64_t>(setup.config.seed));
        setup.train = data::subset(setup.train, places);
        if (setup.latents)
            setup.latents = data::subset(setup.latents, places);
    }
    return Done{};
}

Result<Done> TrainingSession::startLoader(StageSetup& setup)
{
    const auto& config = setup.config;
    const auto& counters = setup.trainee.state.counters;
    data::LoaderOptions options;
    options.seed = static_cast<std::uint64_t>(config.seed);
    options.augment = data::augmentOptions(config.data);
    options.workers = static_cast<int>(config.data.workers);
    options.prefetch = static_cast<int>(config.data.prefetch);
    options.held = kBatchesHeld;
    options.buffers = buffersFor(m_request.device);
    options.latents = setup.latents;
    if (!setup.ofCandidates.empty())
        options.latentsOf = [sets = setup.ofCandidates, seed = options.seed, step = counters.step](std::int64_t batch) {
            return sets[candidateDrawn(seed, step + batch, sets.size())].get();
        };
    options.log = m_log;
    auto loader = data::Loader::start(setup.train, setup.share, {counters.epoch, counters.position}, std::move(options));
    if (!loader)
        return loader.error();
    setup.loader = std::move(*loader);
    return Done{};
}

Result<Done> TrainingSession::giveScribe(StageSetup& setup)
{
    setup.painter = std::make_unique<generation::Painter>(setup.config, m_request.device, m_codec);
    setup.examination = makeExamination(setup);
    if (!m_writer)
        return Done{};
    const auto pen = penOf(setup.stage);
    if (!pen)
        return pen.error();
    const auto identity = runs::readIdentity(m_request.folder);
    Json about{{"run_id", identity ? identity->runId : ""},
               {"stage", setup.stage.index},
               {"stage_id", setup.stage.id},
               {"data", m_train->fingerprint()},
               {"class_names", m_train->classNames()},
               {"classes", classFacts(setup.config.model)},
               {"config", config::write(setup.config)}};
    if (!setup.stage.division.empty())
        about["assembling"] = {{"division", setup.stage.division}, {"module", setup.stage.module}};
    if (m_codec)
        about["latents"] = m_codec->about();
    if (!m_originOfRun.is_null())
        about["origin"] = m_originOfRun;
    setup.checkpoints = std::make_unique<CheckpointKeeper>(**pen, setup.config.checkpoints, about);
    setup.previews = std::make_unique<generation::Previews>(*setup.painter, m_train->classNames(), **pen);
    setup.scribe.emplace(Scribe{*m_writer, **pen, *setup.checkpoints, *setup.previews});
    return Done{};
}

std::unique_ptr<Examination> TrainingSession::makeExamination(StageSetup& setup)
{
    ExaminationParts parts{setup.train, setup.test, m_request.device, m_request.group->world(),
                           [this] { m_link.heartbeat(state().counters.step, "evaluating"); }};
    if (config::drawsImages(setup.config.model))
        return examineDrawings(std::move(parts), *setup.painter, m_inception);
    return examineClassifier(std::move(parts), setup.config, folderOf(setup.stage));
}

/// The learning rate knows no stages: it runs over all of them, but for those that have one of their own.
Horizon TrainingSession::horizon() const
{
    const auto& config = m_request.config;
    if (const auto& now = m_now->stage; now.recipe)
        return {.steps = plan::stepLimit(now.length, now.globalBatch).value_or(0),
                .stepsPerEpoch = m_now->train->size() / m_now->share.globalBatch,
                .lateByAnEpoch = config.recipe.strict,
                .from = plan::beginOf(m_plan, now).value_or(plan::Progress{}).steps};
    std::int64_t steps = 0;
    for (const auto& stage : m_plan.stages) {
        const auto begun = plan::beginOf(m_plan, stage), ended = plan::endOf(m_plan, stage.id);
        const auto length = begun && ended ? std::optional(ended->steps - begun->steps) : plan::stepLimit(stage.length, stage.globalBatch);
        if (!length)
            return {0, m_train->size() / m_now->share.globalBatch, config.recipe.strict};
        steps += *length;
    }
    return {steps, m_train->size() / m_now->share.globalBatch, config.recipe.strict};
}

} // namespace espalier::training
