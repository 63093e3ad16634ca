// SPDX-License-Identifier: Apache-2.0
#include "core/training/training_session.h"

#include "core/base/files.h"
#include "core/config/batch.h"
#include "core/data/feature_folder.h"
#include "core/parallel/agreement.h"
#include "core/plan/chain.h"
#include "core/plan/stage_config.h"
#include "core/training/tensorboard_mirror.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace espalier::training {
namespace fs = std::filesystem;
namespace {

/// What "auto" came to: people read it, and a forecast compares it.
std::string devicesInUse(const std::string& asked, at::Device device, int world)
{
    if (asked != "auto")
        return asked;
    if (!device.is_cuda())
        return world == 1 ? "cpu" : fmt::format("cpu:{}", world);
    return world == 1 ? fmt::format("{}", static_cast<int>(device.index())) : fmt::format("cuda:{}", world);
}

/// What was measured of this run so far, and what that took.
Result<plan::Plan> keptOf(const runs::RunFolder& folder)
{
    if (!fs::exists(folder.planFile()))
        return plan::Plan{};
    const auto text = readFile(folder.planFile(), 16 << 20);
    if (!text)
        return text.error();
    auto kept = plan::planFromText(*text);
    if (!kept)
        return Error{kept.error().code, folder.planFile().string() + ": " + kept.error().message, kept.error().detail};
    return kept;
}

/// Ranks that differ would train apart without a word.
Result<Done> checkRanks(parallel::ProcessGroup& group, const data::Dataset& images, const tensors::TrainState& state)
{
    return parallel::checkAgreement(group,
                                    {{"The build of the program", state.madeOn.build},
                                     {"The version of LibTorch", state.madeOn.libtorch},
                                     {"What the images are", images.fingerprint()}},
                                    state);
}

/// The length of the whole run, as far as its stages say it. Stages side by side have their own steps: the longest way through counts.
plan::Length wholeLength(const plan::Plan& plan)
{
    plan::Length whole{0, 0, 0.0};
    std::map<plan::StageId, std::int64_t> until;
    for (const auto& stage : plan.stages) { // each behind those that it waits for
        const auto& length = stage.length;
        auto& steps = until[stage.id];
        for (const auto& before : stage.after)
            steps = std::max(steps, until[before]);
        steps += length.steps.value_or(0);
        whole.steps = whole.steps && length.steps ? std::optional(std::max(*whole.steps, steps)) : std::nullopt;
        whole.images = whole.images && length.images ? std::optional(*whole.images + *length.images) : std::nullopt;
        whole.seconds = whole.seconds && length.seconds ? std::optional(*whole.seconds + *length.seconds) : std::nullopt;
    }
    return whole;
}

/// Where a stage ends, on the axis of its branch.
plan::Length endOf(const plan::Stage& stage, const plan::Plan& plan)
{
    auto length = stage.length;
    const auto begin = plan::beginOf(plan, stage).value_or(plan::Progress{});
    if (length.steps)
        *length.steps += begin.steps;
    if (length.images)
        *length.images += begin.images;
    if (length.seconds)
        *length.seconds += begin.seconds;
    return length;
}

/// The state of a branch whose turn is over.
runs::RunState stateOf(const Result<runs::EndedHow>& ended)
{
    using enum runs::RunState;
    if (!ended)
        return ended.error().code == ErrorCode::Cancelled ? Stopped : Failed;
    return *ended == runs::EndedHow::Finished ? Finished : *ended == runs::EndedHow::Paused ? Paused : Stopped;
}

} // namespace

TrainingSession::TrainingSession(Request request, runs::WorkerLink& link)
    : m_request(std::move(request)), m_link(link), m_control(m_request.group)
{
}

TrainingSession::~TrainingSession() = default;

Result<std::unique_ptr<TrainingSession>> TrainingSession::open(Request request, runs::WorkerLink& link, const Log& given)
{
    auto session = std::unique_ptr<TrainingSession>(new TrainingSession(std::move(request), link));
    session->m_log = [self = session.get(), given](LogLevel level, std::string_view message) {
        if (given)
            given(level, message);
        if (level == LogLevel::Warning)
            self->warn(std::string(message));
    };
    for (const auto step : {&TrainingSession::openFeatures, // now, not at the first evaluation after an hour
                            &TrainingSession::openData, &TrainingSession::openCodec, &TrainingSession::makePlan,
                            &TrainingSession::checkSides, &TrainingSession::start, &TrainingSession::openWriter})
        if (auto done = (session.get()->*step)(); !done)
            return done.error();
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

/// The network that FID is measured on: every rank makes its share of the features.
Result<Done> TrainingSession::openFeatures()
{
    const auto& evaluation = m_request.config.evaluation;
    if (evaluation.metric != config::MetricKind::Fid)
        return Done{};
    auto opened = evaluation::openInception(evaluation.features, m_request.device);
    if (!opened)
        return Error{opened.error().code, "evaluation.features: " + opened.error().message, opened.error().detail};
    m_inception = *std::move(opened);
    return Done{};
}

Result<Done> TrainingSession::openData()
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
    auto train = data::open(data, data::Split::Train, runs::dataFolder(), m_log);
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

// The plan follows from configuration, data and what was measured, which plan.json keeps. Every stage is checked now, not when its turn
// comes.
Result<Done> TrainingSession::makePlan()
{
    auto& config = m_request.config;
    plan::Plan kept;
    if (m_request.onlySteps) {
        config.schedule = config::PlainSchedule{};
        config.training.steps = *m_request.onlySteps;
        config.training.epochs = config.training.images = 0;
        config.training.seconds = 0.0;
    } else {
        auto read = keptOf(m_request.folder);
        if (!read)
            return read.error();
        kept = *std::move(read);
    }
    m_strategy = plan::makeStrategy(config, {m_train->size()});
    auto planned = plan::planOf(*m_strategy, kept.ledger);
    if (!planned)
        return planned.error();
    m_plan = *std::move(planned);
    m_plan.left = kept.left;
    for (const auto& stage : m_plan.stages)
        if (const auto split = splitOf(plan::configOf(config, stage).training); !split)
            return split.error();
    return Done{};
}

/// What one of several devices trains alone it takes in as many passes as all of them would need: in their memory, and with their sums.
Result<config::BatchSplit> TrainingSession::splitOf(const config::TrainingConfig& training) const
{
    auto split = config::deriveBatch(training, ranksOfBatch());
    if (split && ranksOfBatch() > m_request.group->world()) {
        split->accumulation *= split->world;
        split->world = 1;
    }
    return split;
}

Result<Done> TrainingSession::openWriter()
{
    if (auto agreed = checkRanks(*m_request.group, *m_train, state()); !agreed)
        return agreed.error();
    if (m_request.group->rank() != 0 || m_request.onlySteps)
        return Done{};
    auto writer = openPen(m_request.folder.branch(m_request.branch.value_or("")), m_stepOfRun);
    if (!writer)
        return writer.error();
    m_writer = std::move(*writer);
    const auto ends = isBranch() ? endOf(m_now->stage, m_plan) : wholeLength(m_plan);
    const auto world = m_request.group->world();
    m_writer->write(runs::Started{.attempt = m_writer->attempt(),
                                  .fromStep = m_stepOfRun,
                                  .ranks = world,
                                  .devices = devicesInUse(isBranch() ? "auto" : m_request.config.devices, m_request.device, world),
                                  .ofSteps = ends.steps.value_or(0),
                                  .ofImages = ends.images.value_or(0),
                                  .ofSeconds = ends.seconds.value_or(0.0)});
    if (m_origin)
        m_writer->write(
            runs::Initialised{m_origin->path, m_origin->weights, m_origin->sha256, m_origin->step, m_origin->model, m_origin->changes});
    for (auto& message : std::exchange(m_earlyWarnings, {}))
        m_writer->write(runs::Warned{.message = std::move(message)});
    const auto& share = m_now->share;
    m_writer->log(LogLevel::Info, fmt::format("{}; batch {} = {} ranks x {} images x {} accumulations", m_train->description(),
                                              share.globalBatch, share.world, share.microBatch, share.accumulation));
    return writePlan();
}

/// Kept on the disk before anything rests on it.
Result<Done> TrainingSession::record(const plan::Measurement& measurement)
{
    m_plan = m_strategy->apply(std::move(m_plan), measurement);
    if (isBranch())
        m_link.measured(plan::toJson(measurement));
    return writePlan();
}

/// Rank 0. Of a run whose branches train apart its supervisor keeps it meanwhile.
Result<Done> TrainingSession::writePlan() const
{
    return m_writer && !isBranch() ? writeFileAtomically(m_request.folder.planFile(), plan::toJson(m_plan).dump(2) + "\n", Sync::Yes)
                                   : Result<Done>(Done{});
}

Result<runs::EndedHow> TrainingSession::follow(std::stop_token now)
{
    if (auto encoded = encodeSides(); !encoded)
        return encoded.error().code == ErrorCode::Cancelled && m_link.stopRequested() && !now.stop_requested()
                   ? leaveEarly("Left between two steps.")
                   : Result<runs::EndedHow>(encoded.error());
    for (;;) {
        m_clock.pause(); // only steps are training: not growing, and not latents of another side that a stage waits for
        auto ready = m_strategy->ready(m_plan);
        const bool others = std::erase_if(ready, [&](const plan::Request& each) { return !isOurs(each); }) > 0;
        std::erase_if(ready, [&](const plan::Request& each) { return m_failed.contains(plan::idOf(each)); });
        if (ready.empty() && !m_failed.empty())
            return m_failed.begin()->second;
        if (ready.empty())
            return others && !isBranch() ? runs::EndedHow::Waits : runs::EndedHow::Finished;
        const auto* next = std::get_if<plan::TrainStage>(&ready.front());
        if (m_request.searchOnly && next && plan::findStage(m_plan, next->stage)->role == plan::Stage::Role::Train)
            return runs::EndedHow::Paused;
        const auto ended = std::visit([&](const auto& request) { return obey(request, now); }, ready.front());
        if (!ended && ended.error().code == ErrorCode::Cancelled && m_link.stopRequested() && !now.stop_requested())
            return leaveEarly("Left between two steps.");
        if (!ended && goesOnWithout(ready.front(), ended.error()))
            continue;
        if (!ended || *ended != runs::EndedHow::Finished)
            return ended;
    }
}

/// Whether this session is asked for what comes next, or those that train apart.
bool TrainingSession::isOurs(const plan::Request& request) const
{
    const auto& stage = std::visit([](const auto& each) -> const plan::StageId& { return each.stage; }, request);
    return !m_request.branch || plan::findStage(m_plan, stage)->branch == *m_request.branch;
}

Result<runs::EndedHow> TrainingSession::obey(const plan::TrainStage& request, std::stop_token now)
{
    if (auto begun = begin(*plan::findStage(m_plan, request.stage)); !begun)
        return begun.error();
    const auto ended = m_now->loop->run(now);
    if (m_branchWriter && !m_now->stage.branch.empty())
        m_branchWriter->state(stateOf(ended));
    if (!ended || *ended != runs::EndedHow::Finished)
        return ended;
    const auto& counters = state().counters;
    if (auto kept =
            record(plan::stageFinished(request.stage, {counters.step, counters.images, m_clock.seconds(Activity::Training), counters.flops,
                                                       m_clock.seconds(Activity::Searching), plan::spentOnSearching(m_plan).flops}));
        !kept)
        return kept.error();
    return ended;
}

/// A pause or stop where no step is due: everything that was done is on the disk.
Result<runs::EndedHow> TrainingSession::leaveEarly(const std::string& why)
{
    auto pause = at::zeros({1}, at::kLong); // rank 0 knows which it was
    auto wishes = std::exchange(m_wishes, {});
    std::ranges::move(m_link.takeWishes(), std::back_inserter(wishes));
    for (const auto& wish : wishes) {
        const bool leaves = (wish.kind == runs::WishKind::Pause || wish.kind == runs::WishKind::Stop) && !runs::moduleOf(wish);
        if (leaves)
            pause.fill_(wish.kind == runs::WishKind::Pause ? 1 : 0);
        const runs::WishAnswered said{.id = wish.id,
                                      .wish = std::string(runs::wishText(wish.kind)),
                                      .answer = leaves ? why : "No step is being trained now.",
                                      .granted = leaves,
                                      .step = state().counters.step};
        const auto answer = runs::answerOf(wish).value_or(said);
        if (m_writer)
            m_writer->write(answer);
        m_link.event(runs::makeEvent(answer));
    }
    m_request.group->broadcast(pause, 0);
    return pause.item<std::int64_t>() == 1 ? runs::EndedHow::Paused : runs::EndedHow::Stopped;
}

Result<runs::EndedHow> TrainingSession::run(std::stop_token now)
{
    auto ended = follow(now);
    if (!m_writer)
        return ended;
    if (auto finished = m_now->checkpoints ? m_now->checkpoints->finish() : Result<Done>(Done{}); !finished && ended)
        ended = finished.error();
    for (auto* pen : {m_writer.get(), m_branchWriter.get()})
        if (auto flushed = pen ? pen->flush() : Result<Done>(Done{}); !flushed && ended)
            return flushed.error();
    return ended;
}

} // namespace espalier::training
