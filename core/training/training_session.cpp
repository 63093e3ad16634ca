// SPDX-License-Identifier: Apache-2.0
#include "core/training/training_session.h"

#include "core/base/files.h"
#include "core/config/batch.h"
#include "core/config/config.h"
#include "core/data/feature_folder.h"
#include "core/training/tensorboard_mirror.h"
#include "core/training/trainee.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

namespace espalier::training {
namespace fs = std::filesystem;
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

/// What "auto" came to: people read it, and a forecast compares it.
std::string devicesInUse(const std::string& asked, at::Device device, int world)
{
    if (asked != "auto")
        return asked;
    if (!device.is_cuda())
        return world == 1 ? "cpu" : fmt::format("cpu:{}", world);
    return world == 1 ? fmt::format("{}", static_cast<int>(device.index())) : fmt::format("cuda:{}", world);
}

/// What labels mean to the network: how many there are, and which stands for any class.
Json classFacts(const config::ModelConfig& model)
{
    const auto count = config::classesOf(model);
    const bool any = config::drawsImages(model) && count > 0 &&
                     (std::holds_alternative<config::UNetConfig>(model) || config::classDropoutOf(model) > 0.0);
    return {{"count", count}, {"null_row", any ? Json(count) : Json()}};
}

} // namespace

TrainingSession::~TrainingSession() = default;

Result<std::unique_ptr<TrainingSession>> TrainingSession::open(Request request, runs::WorkerLink& link, const Log& given)
{
    auto session = std::unique_ptr<TrainingSession>(new TrainingSession(std::move(request), link));
    const Log log = session->m_log = [self = session.get(), given](LogLevel level, std::string_view message) {
        if (given)
            given(level, message);
        if (level == LogLevel::Warning)
            self->warn(std::string(message));
    };
    for (const auto step : {&TrainingSession::shareBatch, &TrainingSession::buildModel})
        if (auto done = (session.get()->*step)(); !done)
            return done.error();
    if (auto opened = session->openFeatures(); !opened) // now, not at the first evaluation after an hour
        return opened.error();
    if (auto opened = session->openData(log); !opened)
        return opened.error();
    if (auto opened = session->openCodec(); !opened)
        return opened.error();
    if (auto planned = session->makePlan(); !planned)
        return planned.error();
    if (!session->m_request.onlySteps) {
        if (auto resumed = session->resume(log); !resumed)
            return resumed.error();
    }
    if (auto begun = session->firstWeights(); !begun)
        return begun.error();
    if (!session->m_request.onlySteps) {
        if (auto opened = session->openWriter(); !opened)
            return opened.error();
    }
    return session;
}

/// A warning belongs into the run's history too, where follow and the window show it.
void TrainingSession::warn(std::string message)
{
    if (m_writer)
        m_writer->write(runs::Warned{.message = std::move(message)});
    else if (m_request.group->rank() == 0 && !m_request.onlySteps) // it will have a writer before the loader's threads begin
        m_earlyWarnings.push_back(std::move(message));
}

/// The network that FID is measured on: only the rank that measures has it.
Result<Done> TrainingSession::openFeatures()
{
    const auto& evaluation = m_request.config.evaluation;
    if (evaluation.metric != config::MetricKind::Fid || m_request.group->rank() != 0)
        return Done{};
    auto opened = evaluation::openInception(evaluation.features, m_request.device);
    if (!opened)
        return Error{opened.error().code, "evaluation.features: " + opened.error().message, opened.error().detail};
    m_inception = *std::move(opened);
    return Done{};
}

Result<Done> TrainingSession::shareBatch()
{
    const auto split = config::deriveBatch(m_request.config.training, m_request.group->world());
    if (!split)
        return split.error();
    m_share = {split->globalBatch(), split->microBatch, split->accumulation, m_request.group->rank(), m_request.group->world()};
    return Done{};
}

Result<Done> TrainingSession::openData(const Log& log)
{
    const auto& data = m_request.config.data;
    const auto classes = config::classesOf(m_request.config.model);
    if (data.source == config::DataSource::Features) {
        auto folder = data::openFeatureFolder(data.path, {.side = static_cast<int>(data.side), .classes = classes});
        if (!folder)
            return folder.error();
        m_train = *folder;
        m_latents = *folder;
        return Done{};
    }
    auto train = data::open(data, data::Split::Train, runs::dataFolder(), log);
    if (!train)
        return train.error();
    m_train = *train;
    // A set may come without a test split: distances then use other training images.
    if (auto test = data::open(data, data::Split::Test, runs::dataFolder(), {}); test)
        m_test = *test;
    return checkClasses();
}

Result<Done> TrainingSession::checkClasses() const
{
    const auto classes = config::classesOf(m_request.config.model), has = static_cast<std::int64_t>(m_train->classNames().size());
    if (classes > 0 && classes != has)
        return Error{ErrorCode::Usage,
                     has == 0 ? fmt::format("model.num_classes is {}, but {} has no classes; set it to 0.", classes, m_train->description())
                              : fmt::format("model.num_classes is {}, but there are {} classes in {}; set it to {}, or to 0 to train "
                                            "without classes.",
                                            classes, has, m_train->description(), has),
                     "model.num_classes"};
    return Done{};
}

Result<Done> TrainingSession::buildModel()
{
    const auto& config = m_request.config;
    auto made = makeTrainee(config, m_request.device);
    if (!made)
        return made.error();
    m_model = std::move(made->model);
    m_objective = std::move(made->objective);
    m_state = std::move(made->state);
    m_state.madeOn = tensors::Fingerprint::here(m_request.device, m_request.group->world(),
                                                config.training.channelsLast ? "channels_last" : "contiguous");
    m_step = std::make_unique<TrainStep>(
        TrainStep::Parts{*m_model, *m_objective, m_state, m_request.group, m_share, m_request.device, kBatchesHeld}, config);
    m_state.parts = {m_objective.get(), &m_step->report()};
    if (auto* scale = m_step->lossScale())
        m_state.parts.push_back(scale);
    return Done{};
}

Result<Done> TrainingSession::resume(const Log& log)
{
    // Rank 0 chooses, so that all ranks go on from the same step.
    constexpr std::int64_t kNone = -1, kAllDamaged = -2;
    auto chosen = at::full({1}, kNone, at::kLong);
    std::optional<Error> problem;
    if (m_request.group->rank() == 0) {
        if (const auto newest = newestValidCheckpoint(m_request.folder, log); !newest) {
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
    if (step == kNone)
        return Done{};
    auto manifest = tensors::loadCheckpoint(m_request.folder.checkpointFolder(step), m_state);
    if (!manifest)
        return manifest.error();
    m_resumed = true;
    m_originOfRun = manifest->about.value("origin", Json());
    m_clock.restore(manifest->clock);
    if (const auto difference = manifest->madeOn.difference(m_state.madeOn); !difference.empty())
        log(LogLevel::Warning,
            fmt::format("Resumed on another machine or build ({}): the run goes on, equal to rounding but not bit for bit.", difference));
    const auto data = manifest->about.value("data", "");
    if (!data.empty() && data != m_train->fingerprint())
        log(LogLevel::Warning, "The images are not those that this run was trained on so far. It goes on with the present ones.");
    const auto latents = manifest->about.value("latents", Json::object());
    if (m_codec)
        return m_codec->checkEncoder(latents.is_object() ? latents.value("encoder_sha256", "") : "");
    return Done{};
}

/// Rank 0 reads what init.from names and gives it to all. A run that was resumed has weights of its own.
Result<Done> TrainingSession::firstWeights()
{
    if (m_resumed || m_request.config.init.from.empty())
        return Done{};
    auto& group = *m_request.group;
    auto failed = at::zeros({1}, at::kLong);
    std::optional<Error> problem;
    if (group.rank() == 0) {
        if (auto origin = loadFirstWeights(m_request.config, m_state); !origin) {
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
    for (auto& slot : m_state.slots) {
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

Result<Done> TrainingSession::openWriter()
{
    if (m_request.group->rank() != 0)
        return Done{};
    auto mirror = tensorBoardMirror(m_request.folder.tensorboardFolder());
    auto writer = runs::RunWriter::open(m_request.folder, m_state.counters.step, std::move(mirror));
    if (!writer)
        return writer.error();
    m_writer = std::move(*writer);
    const auto identity = runs::readIdentity(m_request.folder);
    Json about{{"run_id", identity ? identity->runId : ""},
               {"stage", 0},
               {"data", m_train->fingerprint()},
               {"class_names", m_train->classNames()},
               {"classes", classFacts(m_request.config.model)},
               {"config", config::write(m_request.config)}};
    if (m_codec)
        about["latents"] = m_codec->about();
    if (!m_originOfRun.is_null())
        about["origin"] = m_originOfRun;
    m_checkpoints = std::make_unique<CheckpointKeeper>(*m_writer, m_request.config.checkpoints, about);
    m_previews = std::make_unique<generation::Previews>(m_request.config, m_request.device, m_train->classNames(), *m_writer, m_codec);
    m_examination = makeExamination();
    m_scribe.emplace(Scribe{*m_writer, *m_checkpoints, *m_previews, *m_examination});
    const auto& length = m_plan.stages.back().length;
    m_writer->write(runs::Started{.attempt = m_writer->attempt(),
                                  .fromStep = m_state.counters.step,
                                  .ranks = m_request.group->world(),
                                  .devices = devicesInUse(m_request.config.devices, m_request.device, m_request.group->world()),
                                  .ofSteps = length.steps.value_or(0),
                                  .ofImages = length.images.value_or(0),
                                  .ofSeconds = length.seconds.value_or(0.0)});
    if (m_origin)
        m_writer->write(
            runs::Initialised{m_origin->path, m_origin->weights, m_origin->sha256, m_origin->step, m_origin->model, m_origin->changes});
    for (auto& message : std::exchange(m_earlyWarnings, {}))
        m_writer->write(runs::Warned{.message = std::move(message)});
    if (auto written = writePlan(); !written)
        return written;
    m_writer->log(LogLevel::Info, fmt::format("{}; batch {} = {} ranks x {} images x {} accumulations", m_train->description(),
                                              m_share.globalBatch, m_share.world, m_share.microBatch, m_share.accumulation));
    return Done{};
}

Result<Done> TrainingSession::startLoader()
{
    const auto& config = m_request.config;
    data::LoaderOptions options;
    options.seed = static_cast<std::uint64_t>(config.seed);
    options.augment = data::augmentOptions(config.data);
    options.workers = static_cast<int>(config.data.workers);
    options.prefetch = static_cast<int>(config.data.prefetch);
    options.held = kBatchesHeld;
    options.buffers = buffersFor(m_request.device);
    options.latents = m_latents;
    options.log = m_log;
    auto loader = data::Loader::start(m_train, m_share, {m_state.counters.epoch, m_state.counters.position}, std::move(options));
    if (!loader)
        return loader.error();
    m_loader = std::move(*loader);
    return Done{};
}

// The plan follows from configuration and data; what was measured comes from plan.json. A run that was lengthened has a stage to finish
// again.
Result<Done> TrainingSession::makePlan()
{
    auto config = m_request.config;
    if (m_request.onlySteps) {
        config.training.steps = *m_request.onlySteps;
        config.training.epochs = config.training.images = 0;
        config.training.seconds = 0.0;
    }
    m_strategy = std::make_unique<plan::PlainStrategy>(plan::DataFacts{m_train->size()});
    auto begun = m_strategy->begin(config);
    if (!begun)
        return begun.error();
    m_plan = std::move(*begun);
    if (m_request.onlySteps || !fs::exists(m_request.folder.planFile()))
        return Done{};
    const auto text = readFile(m_request.folder.planFile(), 16 << 20);
    if (!text)
        return text.error();
    const auto kept = plan::planFromText(*text);
    if (!kept)
        return Error{kept.error().code, m_request.folder.planFile().string() + ": " + kept.error().message, kept.error().detail};
    for (const auto& measurement : kept->ledger) {
        const auto* stage = plan::findStage(m_plan, measurement.id);
        const auto& row = measurement.table.empty() ? std::vector<double>{} : measurement.table.front();
        if (!stage ||
            (row.size() >= 3 && plan::reached(stage->length, static_cast<std::int64_t>(row[0]), static_cast<std::int64_t>(row[1]), row[2])))
            m_plan = m_strategy->apply(std::move(m_plan), measurement);
    }
    return Done{};
}

Result<Done> TrainingSession::writePlan() const
{
    return m_writer ? writeFileAtomically(m_request.folder.planFile(), plan::toJson(m_plan).dump(2) + "\n", Sync::Yes)
                    : Result<Done>(Done{});
}

std::unique_ptr<Examination> TrainingSession::makeExamination()
{
    ExaminationParts parts{m_train, m_test, m_request.device, [this] { m_link.heartbeat(m_state.counters.step, "evaluating"); }};
    if (config::drawsImages(m_request.config.model))
        return examineDrawings(std::move(parts), *m_previews, m_inception);
    return examineClassifier(std::move(parts), m_request.config, m_request.folder);
}

Result<runs::EndedHow> TrainingSession::trainStages(std::stop_token now)
{
    for (;;) {
        const auto ready = m_strategy->ready(m_plan);
        if (ready.empty())
            return runs::EndedHow::Finished;
        const auto& request = std::get<plan::TrainStage>(ready.front());
        const auto& stage = *plan::findStage(m_plan, request.stage);
        const auto index = static_cast<int>(&stage - m_plan.stages.data());
        if (m_writer) {
            m_writer->write(runs::StageStarted{.index = index, .id = stage.id, .fromStep = 0});
            m_writer->state(runs::RunState::Training);
        }
        StageLoop loop({*m_step, *m_loader, m_state, m_share, m_request.group, m_link, m_clock, m_request.device, m_train->size(),
                        m_scribe ? &*m_scribe : nullptr},
                       m_request.config, index, stage);
        const auto ended = loop.run(now);
        if (!ended || *ended != runs::EndedHow::Finished)
            return ended;
        const auto& counters = m_state.counters;
        m_plan = m_strategy->apply(std::move(m_plan), plan::stageFinished(request.stage, counters.step, counters.images,
                                                                          m_clock.seconds(Activity::Training), counters.flops));
        if (auto written = writePlan(); !written)
            return written.error();
    }
}

Result<runs::EndedHow> TrainingSession::trainFromLoader(std::stop_token now)
{
    if (auto prepared = prepareLatents(); !prepared)
        return prepared.error().code == ErrorCode::Cancelled ? leaveEarly() : prepared.error();
    if (auto started = startLoader(); !started)
        return started.error();
    return trainStages(now);
}

Result<runs::EndedHow> TrainingSession::run(std::stop_token now)
{
    auto ended = trainFromLoader(now);
    if (!m_writer)
        return ended;
    if (auto finished = m_checkpoints->finish(); !finished && ended)
        ended = finished.error();
    if (auto flushed = m_writer->flush(); !flushed && ended)
        return flushed.error();
    return ended;
}

} // namespace espalier::training
