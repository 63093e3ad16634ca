// SPDX-License-Identifier: Apache-2.0
#include "core/training/stage_loop.h"

#include "core/base/text.h"
#include "core/base/philox.h"
#include "core/config/config.h"
#include "core/generation/shared_drawing.h"
#include "core/plan/forecast.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::training {
namespace {

constexpr std::int64_t bit(Order order)
{
    return static_cast<std::int64_t>(order);
}

bool has(std::int64_t orders, Order order)
{
    return (orders & bit(order)) != 0;
}

bool due(std::int64_t every, std::int64_t step)
{
    return every > 0 && step > 0 && step % every == 0;
}

Order orderOf(runs::WishKind kind)
{
    switch (kind) {
    case runs::WishKind::Checkpoint:
        return Order::Checkpoint;
    case runs::WishKind::Sample:
        return Order::Sample;
    case runs::WishKind::Evaluate:
        return Order::Evaluate;
    case runs::WishKind::Pause:
        return Order::Pause;
    case runs::WishKind::Stop:
    case runs::WishKind::Start: // is for the supervisor
        break;
    }
    return Order::Stop;
}

/// The settings with what a wish asks for laid over one of their groups. A wish speaks the language of the settings:
/// {"count": 16, "sampler": {"steps": 20}}.
Result<config::RunConfig> configFor(const config::RunConfig& config, const char* group, const runs::Wish* wish)
{
    if (!wish)
        return config;
    return config::read(config::merge(config::write(config), {{group, wish->options}}));
}

} // namespace

StageLoop::StageLoop(Parts parts, const config::RunConfig& config, const plan::Stage& stage, const StagePlace& place)
    : m_parts(std::move(parts)), m_config(config), m_stage(stage), m_place(place), m_imagesAtReport(m_parts.state.counters.images)
{
    const auto batch = static_cast<double>(m_parts.share.globalBatch);
    if (stage.role == plan::Stage::Role::Supernet)
        for (const auto& candidate : stage.window)
            m_flopsPerStep.push_back(plan::costOf(stage, candidate) * batch);
    else
        m_flopsPerStep.push_back(plan::forecast(stage, 0.0, m_parts.prefix).flopsPerImage * batch);
}

Result<runs::EndedHow> StageLoop::run(std::stop_token now, double share, bool leave)
{
    m_until = share;
    m_leave = leave;
    m_savedStep = m_parts.state.counters.step;
    m_parts.clock.turnTo(Activity::Training);
    m_secondsAtReport = m_parts.clock.seconds(Activity::Training);
    for (;;) {
        const auto orders = m_parts.control.exchange(ordersToGive());
        if (auto done = doWhatIsDue(orders, now); !done)
            return done.error();
        const bool ended = reached() || has(orders, Order::EndOfTime);
        if (has(orders, Order::Stop) || has(orders, Order::Pause)) {
            const bool pause = !has(orders, Order::Stop);
            if (auto saved = save(ended && leave ? atEnd() : pause ? "pause" : "stop"); !saved)
                return saved.error();
            answer(pause ? runs::WishKind::Pause : runs::WishKind::Stop, Done{},
                   pause ? "Saved and left the device." : "Saved and stopped.");
            return pause ? runs::EndedHow::Paused : runs::EndedHow::Stopped;
        }
        if (ended && !leave)
            return runs::EndedHow::Finished;
        if (ended) {
            if (auto saved = save(m_place.last ? "finish" : atEnd()); !saved)
                return saved.error();
            for (const auto kind : {runs::WishKind::Checkpoint, runs::WishKind::Sample, runs::WishKind::Evaluate, runs::WishKind::Pause,
                                    runs::WishKind::Stop})
                if (m_place.last)
                    answer(kind, Error{ErrorCode::Usage, "The run has just finished."}, "");
            return runs::EndedHow::Finished;
        }
        if (auto trained = trainOneStep(now); !trained)
            return trained.error();
        if (auto reported = reportIfDue(); !reported)
            return reported.error();
    }
}

// Depth and side are drawn together: all pairs are in the window, so this is as drawing each for itself.
std::size_t candidateDrawn(std::uint64_t seed, std::int64_t step, std::size_t candidates)
{
    if (candidates == 1)
        return 0;
    const auto words = drawBlock(seed, Stream::Search, static_cast<std::uint64_t>(step), 0, 0);
    return static_cast<std::size_t>(integerBelow(words.word[0], words.word[1], candidates));
}

Result<Done> StageLoop::trainOneStep(std::stop_token now)
{
    auto& counters = m_parts.state.counters;
    const auto rate = learningRateAt(m_config.training, counters.step, m_place.horizon);
    const auto drawn = candidateDrawn(static_cast<std::uint64_t>(m_config.seed), counters.step, m_flopsPerStep.size());
    if (m_stage.role == plan::Stage::Role::Supernet)
        m_parts.step.begin(rate, {m_stage.window[drawn].keepBlock, m_stage.sid}, m_stage.window[drawn].side);
    else
        m_parts.step.begin(rate, {{}, m_stage.sid, m_parts.prefix.kept() ? m_parts.prefix.blocks : -1});
    for (std::int64_t micro = 0; micro < m_parts.share.accumulation; ++micro) {
        m_parts.step.freeOldestBatch();
        auto batch = m_parts.loader.next(now);
        if (!batch)
            return batch.error();
        m_parts.step.accumulate(**batch);
        if (micro + 1 == m_parts.share.accumulation) {
            auto cursor = (*batch)->cursor;
            cursor.advance(m_parts.share.globalBatch, m_parts.datasetSize);
            counters.epoch = cursor.epoch;
            counters.position = cursor.position;
        }
    }
    m_parts.step.finish();
    counters.flops += m_flopsPerStep[drawn];
    heartbeat("training");
    return Done{};
}

Result<Done> StageLoop::reportIfDue()
{
    auto& counters = m_parts.state.counters;
    if (counters.step % m_config.training.reportEvery != 0)
        return Done{};
    const auto report = m_parts.step.report().take();
    counters.badSteps += report.badSteps;
    if (counters.badSteps > m_config.training.badSteps)
        return giveUp(report);
    const auto ownSeconds = ownSecondsOfRanks();
    if (!m_parts.scribe)
        return Done{};
    tellPace(ownSeconds);
    auto& writer = m_parts.scribe->writer;
    if (report.badSteps > 0)
        m_parts.scribe->run.write(runs::Warned{
            .message =
                fmt::format("{} of the last {} steps had a loss or gradient that was not finite and were skipped, the first at step {}.",
                            report.badSteps, report.badSteps + report.goodSteps, report.firstBadStep),
            .step = counters.step});
    const double seconds = m_parts.clock.seconds(Activity::Training);
    const double elapsed = seconds - m_secondsAtReport;
    writer.scalar(runs::tags::kLoss, counters.step, report.loss);
    writer.scalar(runs::tags::kGradNorm, counters.step, report.gradientNorm);
    writer.scalar(runs::tags::kLearningRate, counters.step, learningRateAt(m_config.training, counters.step - 1, m_place.horizon));
    if (const auto* scale = m_parts.step.lossScale())
        writer.scalar(runs::tags::kLossScale, counters.step, scale->scale().item<double>());
    if (elapsed > 0)
        writer.scalar(runs::tags::kImagesPerSecond, counters.step, static_cast<double>(counters.images - m_imagesAtReport) / elapsed,
                      "images/s");
    writer.scalar(runs::tags::kTrainingSeconds, counters.step, seconds, "s");
    writer.scalar(runs::tags::kImages, counters.step, static_cast<double>(counters.images), "images");
    writer.scalar(runs::tags::kFlops, counters.step, counters.flops, "FLOPs");
    m_imagesAtReport = counters.images;
    m_secondsAtReport = seconds;
    if (auto error = writer.firstError())
        return *error;
    return Done{};
}

/// By rank, what its own share of a step takes; empty where there is one rank.
std::vector<double> StageLoop::ownSecondsOfRanks()
{
    if (m_parts.group->world() == 1)
        return {};
    std::vector<double> seconds;
    for (const auto& each : m_parts.group->gather(at::full({1}, m_parts.step.ownTime().take(), at::kDouble)))
        seconds.push_back(each.item<double>());
    return seconds;
}

void StageLoop::tellPace(const std::vector<double>& seconds)
{
    const auto step = m_parts.state.counters.step;
    const auto imagesOfRank = static_cast<double>(m_parts.share.globalBatch) / static_cast<double>(m_parts.share.world);
    for (std::size_t rank = 0; rank < seconds.size(); ++rank)
        if (seconds[rank] > 0.0)
            m_parts.scribe->writer.scalar(fmt::format("speed/rank_{}", rank), step, imagesOfRank / seconds[rank], "images/s");
    if (auto said = m_stragglers.judge(seconds))
        m_parts.scribe->run.write(runs::Warned{.message = *std::move(said), .step = step});
}

/// Too many steps were not finite: says where it began and how to draw that batch again.
Result<Done> StageLoop::giveUp(const Report& report)
{
    const auto& counters = m_parts.state.counters;
    const auto last = m_parts.scribe ? m_parts.scribe->checkpoints.newest() : "";
    return Error{ErrorCode::NotFinite,
                 fmt::format("Training ended at step {}: {} steps had a loss or gradient that was not finite, more than training.bad_steps "
                             "allows ({}). {} Try a lower "
                             "learning rate, a longer warm-up or fp32.",
                             counters.step, counters.badSteps, m_config.training.badSteps,
                             last.empty() ? "No checkpoint was written yet." : fmt::format("The last good checkpoint is {}.", last)),
                 fmt::format("first bad step {}; seed {}, global batch {}, {} images in the set: slot s of step k is the image at position "
                             "(k mod {}) * {} + s of epoch k div {}",
                             report.firstBadStep, m_config.seed, m_parts.share.globalBatch, m_parts.datasetSize,
                             m_parts.datasetSize / m_parts.share.globalBatch, m_parts.share.globalBatch,
                             m_parts.datasetSize / m_parts.share.globalBatch)};
}

// Rank 0 speaks for wishes and time; any rank may be told to end by a signal.
std::int64_t StageLoop::ordersToGive()
{
    std::int64_t orders = 0;
    for (auto& wish : m_parts.link.takeWishes()) {
        if (const auto answer = runs::answerOf(wish)) {
            tell(*answer);
            continue;
        }
        orders |= bit(orderOf(wish.kind));
        if (m_parts.scribe && (wish.kind == runs::WishKind::Pause || wish.kind == runs::WishKind::Stop))
            m_parts.scribe->run.state(wish.kind == runs::WishKind::Pause ? runs::RunState::Pausing : runs::RunState::Stopping);
        m_parts.wishes.push_back(std::move(wish));
    }
    if (m_parts.link.stopRequested() && (orders & (bit(Order::Pause) | bit(Order::Stop))) == 0)
        orders |= bit(Order::Stop);
    if (m_parts.scribe && m_stage.length.seconds && progress(m_parts.clock.seconds(Activity::Training) - m_place.begin.seconds) >= m_until)
        orders |= bit(Order::EndOfTime);
    return orders;
}

// Time is rank 0's to tell: it comes as an order.
double StageLoop::progress(double seconds) const
{
    const auto& counters = m_parts.state.counters;
    return plan::progress(m_stage.length, counters.step - m_place.begin.steps, counters.images - m_place.begin.images, seconds);
}

Result<Done> StageLoop::doWhatIsDue(std::int64_t orders, std::stop_token now)
{
    const auto step = m_parts.state.counters.step;
    const bool ending = m_leave && (reached() || has(orders, Order::EndOfTime));
    const bool closing = ending && m_stage.role == plan::Stage::Role::Train; // nobody draws with a supernet
    const bool fresh = step > m_savedStep;                                   // not what was just resumed from
    const auto drawEvery = config::drawsImages(m_config.model) ? m_config.samples.every : 0;
    if (has(orders, Order::Sample) || (fresh && (due(drawEvery, step) || (closing && drawEvery > 0)))) {
        const auto wish =
            std::find_if(m_parts.wishes.begin(), m_parts.wishes.end(), [](const auto& w) { return w.kind == runs::WishKind::Sample; });
        const auto drawn = drawSamples(wish == m_parts.wishes.end() ? nullptr : &*wish, now);
        answer(runs::WishKind::Sample, drawn, fmt::format("Drew samples of step {}.", step));
        if (!drawn && drawn.error().code != ErrorCode::Cancelled && drawn.error().code != ErrorCode::Usage)
            return drawn;
    }
    if (has(orders, Order::Evaluate) || (fresh && (due(m_config.evaluation.every, step) || (closing && m_config.evaluation.every > 0)))) {
        const auto wish =
            std::find_if(m_parts.wishes.begin(), m_parts.wishes.end(), [](const auto& w) { return w.kind == runs::WishKind::Evaluate; });
        const bool asked = wish != m_parts.wishes.end();
        const auto evaluated = evaluate(asked ? &*wish : nullptr, closing && m_place.last, now);
        if (!evaluated && !asked && evaluated.error().code == ErrorCode::Usage && m_parts.scribe) // there is nobody to answer
            m_parts.scribe->run.write(runs::Warned{.message = evaluated.error().message, .step = step});
        answer(runs::WishKind::Evaluate, evaluated, fmt::format("Evaluated step {}.", step));
        if (!evaluated && evaluated.error().code != ErrorCode::Cancelled && evaluated.error().code != ErrorCode::Usage)
            return evaluated;
    }
    // Last, so that a checkpoint of a step says that its pictures and numbers are there.
    if (has(orders, Order::Checkpoint) || (fresh && due(m_config.checkpoints.every, step) && !ending)) {
        const auto saved = save(ending ? atEnd() : has(orders, Order::Checkpoint) ? "wish" : "interval");
        answer(runs::WishKind::Checkpoint, saved, fmt::format("Saved step {}.", step));
        if (!saved)
            return saved;
    }
    return Done{};
}

Result<Done> StageLoop::save(const std::string& because)
{
    auto& counters = m_parts.state.counters;
    const ClockScope time(m_parts.clock, Activity::Saving);
    // NaN never reaches weights: what a bad step did is known before anything is written.
    if (counters.badSteps + m_parts.step.report().badSteps() > m_config.training.badSteps) {
        const auto report = m_parts.step.report().take();
        counters.badSteps += report.badSteps;
        return giveUp(report);
    }
    if (!m_parts.scribe)
        return Done{};
    const bool leaving = because == "pause" || because == "stop" || because == "finish" || because == kStageEnd || because == kSearchEnd;
    const auto& folder = m_parts.scribe->writer.folder();
    if (counters.step == m_savedStep && m_parts.scribe->checkpoints.newest() == folder.relative(folder.checkpointFolder(counters.step)))
        return leaving ? m_parts.scribe->checkpoints.finish() : Result<Done>(Done{});
    heartbeat("saving");
    if (leaving)
        m_parts.scribe->run.state(runs::RunState::Saving);
    auto saved = m_parts.scribe->checkpoints.save(m_parts.state, m_parts.clock.toJson(), because);
    if (saved && leaving)
        saved = m_parts.scribe->checkpoints.finish();
    m_savedStep = counters.step;
    return saved;
}

parallel::Crew::Waits StageLoop::tellWaiting()
{
    return [this](bool waits) { m_parts.link.setWaiting(waits); };
}

/// What ranks other than 0 do while it draws or measures.
Result<Done> StageLoop::helpRankZero(std::string_view doing, std::stop_token now)
{
    if (m_parts.group->world() == 1)
        return Done{};
    parallel::Crew crew(m_parts.group, tellWaiting());
    std::optional<generation::Generator> generator;
    const auto tick = [this, doing](double) { heartbeat(doing); };
    return crew.help([&](const Json& ask) -> Result<parallel::Crew::Work> {
        if (ask.value("work", "") != generation::kDrawAsk)
            return m_parts.examination.workFor(ask, m_parts.state, now);
        auto drawing = m_parts.painter.generator(m_parts.state, ask);
        if (!drawing)
            return drawing.error();
        generator = *std::move(drawing);
        return generation::drawingWork(*generator, tick, now);
    });
}

Result<Done> StageLoop::drawSamples(const runs::Wish* wish, std::stop_token now)
{
    if (!m_parts.scribe)
        return helpRankZero("sampling", now);
    parallel::Crew crew(m_parts.group, tellWaiting());
    if (!config::drawsImages(m_config.model))
        return Error{ErrorCode::Usage, "This model tells images apart and draws none.", {}};
    const auto asked = configFor(m_config, "samples", wish);
    if (!asked)
        return asked.error();
    const auto& samples = asked->samples;
    const ClockScope time(m_parts.clock, Activity::Sampling);
    auto& run = m_parts.scribe->run;
    run.state(runs::RunState::Sampling);
    const auto drawn =
        m_parts.scribe->previews.draw(m_parts.state, m_stage.index, samples, crew, [this](double) { heartbeat("sampling"); }, now);
    run.state(runs::RunState::Training);
    return drawn;
}

Result<Done> StageLoop::evaluate(const runs::Wish* wish, bool last, std::stop_token now)
{
    if (!m_parts.scribe)
        return helpRankZero("evaluating", now);
    parallel::Crew crew(m_parts.group, tellWaiting());
    const auto asked = configFor(m_config, "evaluation", wish);
    if (!asked)
        return asked.error();
    const auto& evaluation = asked->evaluation;
    if (evaluation.metric != m_config.evaluation.metric || evaluation.features != m_config.evaluation.features)
        return Error{
            ErrorCode::Usage,
            "evaluation.metric and evaluation.features stay as they are while a run trains: its numbers are compared with each other. "
            "Pause it, and set them as it is resumed.",
            {}};
    const ClockScope time(m_parts.clock, Activity::Evaluating);
    auto& scribe = *m_parts.scribe;
    const auto step = m_parts.state.counters.step;
    scribe.run.state(runs::RunState::Evaluating);
    const auto began = std::chrono::steady_clock::now();
    auto measured = m_parts.examination.measure(
        {.state = m_parts.state, .stage = m_stage.index, .settings = evaluation, .asked = wish != nullptr, .last = last}, crew, now);
    if (measured) {
        measured->event.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        scribe.writer.write(measured->event);
        for (const auto& [tag, value] : measured->curves)
            scribe.writer.scalar(tag, step, value);
        scribe.checkpoints.measured(step, measured->event.metric, measured->event.value);
    }
    scribe.run.state(runs::RunState::Training);
    return measured ? Result<Done>(Done{}) : measured.error();
}

void StageLoop::answer(runs::WishKind kind, const Result<Done>& outcome, const std::string& said)
{
    if (!m_parts.scribe)
        return;
    std::erase_if(m_parts.wishes, [&](const runs::Wish& wish) {
        if (wish.kind != kind)
            return false;
        const runs::WishAnswered answer{.id = wish.id,
                                        .wish = std::string(runs::wishText(kind)),
                                        .answer = outcome ? said : outcome.error().message,
                                        .granted = static_cast<bool>(outcome),
                                        .step = m_parts.state.counters.step};
        tell(answer);
        return true;
    });
}

void StageLoop::tell(const runs::WishAnswered& answer)
{
    if (m_parts.scribe)
        m_parts.scribe->run.write(answer);
    m_parts.link.event(runs::makeEvent(answer));
}

void StageLoop::heartbeat(std::string_view doing)
{
    m_parts.link.heartbeat(m_parts.state.counters.step, doing);
}

} // namespace espalier::training
