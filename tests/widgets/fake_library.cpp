// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/fake_library.h"

#include "core/base/files.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/plan/forecast.h"
#include "core/plan/strategy.h"
#include "core/runs/events.h"
#include "core/runs/scalars.h"

#include <QImage>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <random>

namespace espalier::testing {
namespace {

namespace tags = runs::tags;

template <class T>
T must(Result<T> result)
{
    if (!result) {
        std::fprintf(stderr, "%s (%s)\n", result.error().message.c_str(), result.error().detail.c_str());
        std::abort();
    }
    return std::move(result).value();
}

/// A flower, leaf, apple or tree that gets clearer with `quality` 0 … 1.
void drawPlant(QPainter& painter, const QRectF& cell, int kind, double quality, std::mt19937& random)
{
    std::uniform_real_distribution<double> any(0.0, 1.0);
    QLinearGradient sky(cell.topLeft(), cell.bottomLeft());
    sky.setColorAt(0, QColor(150, 200, 225));
    sky.setColorAt(1, QColor(130, 165, 85));
    painter.fillRect(cell, sky);
    const QPointF c = cell.center() + QPointF(any(random) - 0.5, any(random) - 0.5) * cell.width() * 0.12;
    const double r = cell.width() * (0.26 + 0.08 * any(random));
    painter.setPen(Qt::NoPen);
    if (kind % 4 == 0) {
        painter.setBrush(QColor::fromHsv(320 + static_cast<int>(any(random) * 30), 170, 240));
        for (int i = 0; i < 5; ++i)
            painter.drawEllipse(c + QPointF(std::cos(i * 1.2566), std::sin(i * 1.2566)) * r * 0.6, r * 0.48, r * 0.48);
        painter.setBrush(QColor(240, 200, 60));
        painter.drawEllipse(c, r * 0.3, r * 0.3);
    } else if (kind % 4 == 1) {
        painter.setBrush(QColor::fromHsv(95 + static_cast<int>(any(random) * 30), 200, 160));
        QPainterPath leaf(c + QPointF(-r, r));
        leaf.quadTo(c + QPointF(-r * 0.7, -r * 0.8), c + QPointF(r, -r));
        leaf.quadTo(c + QPointF(r * 0.7, r * 0.8), c + QPointF(-r, r));
        painter.drawPath(leaf);
    } else if (kind % 4 == 2) {
        painter.setBrush(QColor(220, 70, 45));
        painter.drawEllipse(c + QPointF(0, r * 0.15), r * 0.85, r * 0.8);
        painter.setBrush(QColor(60, 130, 50));
        painter.drawEllipse(c + QPointF(r * 0.3, -r * 0.85), r * 0.35, r * 0.18);
    } else {
        painter.setBrush(QColor(115, 80, 50));
        painter.drawRect(QRectF(c.x() - r * 0.12, c.y(), r * 0.24, r * 1.1));
        painter.setBrush(QColor(60, 120, 65));
        painter.drawEllipse(c - QPointF(0, r * 0.3), r * 0.8, r * 0.75);
    }
    const int specks = static_cast<int>((1 - quality) * 260);
    for (int i = 0; i < specks; ++i) {
        painter.setBrush(QColor::fromHsv(static_cast<int>(any(random) * 359), 120, 60 + static_cast<int>(any(random) * 190), 120));
        painter.drawRect(QRectF(cell.left() + any(random) * (cell.width() - 2), cell.top() + any(random) * (cell.height() - 2), 2, 2));
    }
}

void drawGrid(const std::filesystem::path& file, const FakeRun& run, double quality)
{
    std::filesystem::create_directories(file.parent_path());
    const int pad = 2, side = run.gridSide * (run.cell + pad) + pad;
    QImage image(side, side, QImage::Format_RGB888);
    image.fill(Qt::white);
    QPainter painter(&image);
    painter.setRenderHint(QPainter::Antialiasing);
    std::mt19937 random(static_cast<unsigned>(run.seed));
    for (int i = 0; i < run.gridSide * run.gridSide; ++i) {
        const QRectF cell(pad + i % run.gridSide * (run.cell + pad), pad + i / run.gridSide * (run.cell + pad), run.cell, run.cell);
        painter.save();
        painter.setClipRect(cell);
        drawPlant(painter, cell, i + i / run.gridSide, quality, random);
        painter.restore();
    }
    painter.end();
    image.save(QString::fromStdString(file.string()));
}

/// Steps that were trained into one folder, and what had been done before them.
struct Stretch {
    std::int64_t from = 0, to = 0;
    double seconds = 0.0, images = 0.0, began = 0.0; // began: seconds since the run did, other stages in turn included
};

void writeScalars(const runs::RunFolder& folder, const FakeRun& run, double began, const std::vector<Stretch>& stretches)
{
    std::filesystem::create_directories(folder.scalarsFolder(1));
    const auto pen = [&](std::string_view tag) { return must(runs::ScalarWriter::create(folder.scalarsFile(1, tag), tag)); };
    auto loss = pen(tags::kLoss), rate = pen(tags::kLearningRate), speed = pen(tags::kImagesPerSecond),
         seconds = pen(tags::kTrainingSeconds), images = pen(tags::kImages), norm = pen(tags::kGradNorm);
    std::mt19937 random(static_cast<unsigned>(run.seed));
    std::normal_distribution<double> noise(0.0, 1.0);
    for (const auto& stretch : stretches) {
        for (std::int64_t step = stretch.from + 1; step <= stretch.to; step += run.pointEvery) {
            const double s = static_cast<double>(step), done = static_cast<double>(step - stretch.from);
            const double time = began + stretch.began + done * run.secondsPerStep;
            const double value = 0.145 + 0.11 * std::exp(-s / 3500.0) + 0.004 * noise(random) * (1 + std::exp(-s / 6000.0));
            loss.add({step, time, value});
            norm.add({step, time, 0.4 + 0.1 * std::abs(noise(random))});
            seconds.add({step, time, stretch.seconds + done * run.secondsPerStep});
            images.add({step, time, stretch.images + done * 128});
            if (step % 50 == 1 || run.pointEvery > 1) {
                rate.add({step, time, 1e-4 * std::min(1.0, s / 1000.0)});
                speed.add({step, time, 1843 + 12 * noise(random)});
            }
        }
    }
    for (auto* each : {&loss, &rate, &speed, &seconds, &images, &norm})
        must(each->flush());
}

/// What each rank tells of itself, and its supervisor of its GPU.
void writeRanks(const runs::RunFolder& folder, const FakeRun& run, double began)
{
    std::mt19937 random(static_cast<unsigned>(run.seed) + 1);
    std::normal_distribution<double> noise(0.0, 1.0);
    for (int rank = 0; rank < run.gpus; ++rank) {
        const auto name = "rank_" + std::to_string(rank);
        const auto pen = [&](const std::string& tag) { return must(runs::ScalarWriter::create(folder.scalarsFile(1, tag), tag)); };
        auto speed = pen("speed/" + name), load = pen("gpu/" + name + "/load"), memory = pen("gpu/" + name + "/memory"),
             celsius = pen("gpu/" + name + "/celsius"), watts = pen("gpu/" + name + "/watts");
        const bool slow = rank == 2;
        for (std::int64_t step = 1; step <= run.step; step += 100) {
            const double time = began + static_cast<double>(step) * run.secondsPerStep;
            const double heat = 60.0 - 24.0 * std::exp(-static_cast<double>(step) / 2000.0);
            speed.add({step, time, (slow ? 352.0 : 461.0 + 4.0 * rank) + 6.0 * noise(random)});
            load.add({step, time, std::min(100.0, (slow ? 99.0 : 78.0) + noise(random))});
            memory.add({step, time, 61.2e9 + 1e8 * rank});
            celsius.add({step, time, heat + (slow ? 19.0 : 4.0 + rank) + 0.5 * noise(random)});
            watts.add({step, time, (slow ? 690.0 : 610.0) + 8.0 * noise(random)});
        }
        for (auto* each : {&speed, &load, &memory, &celsius, &watts})
            must(each->flush());
    }
}

/// Answers what the strategy of a configuration asks for until the run has done `run.step` steps, and writes plan.json.
plan::Plan writePlan(const runs::RunFolder& folder, const config::RunConfig& config, const FakeRun& run)
{
    const auto strategy = plan::makeStrategy(config, {.images = 100'000});
    auto now = must(strategy->begin());
    std::int64_t turn = 0; // steps of all stages so far
    for (auto wanted = strategy->ready(now); !wanted.empty(); wanted = strategy->ready(now)) {
        if (const auto* train = std::get_if<plan::TrainStage>(&wanted.front())) {
            const auto& stage = *plan::findStage(now, train->stage);
            const auto cost = plan::forecast(stage, 900.0);
            turn += cost.steps.value_or(0);
            if (turn > run.step)
                break;
            auto done = plan::beginOf(now, stage).value_or(plan::Progress{});
            done.steps += cost.steps.value_or(0);
            done.images += cost.images.value_or(0);
            done.seconds += static_cast<double>(cost.steps.value_or(0)) * run.secondsPerStep;
            done.flops += cost.flops.value_or(0.0);
            done.searchSeconds += 21.0;
            now = strategy->apply(now, plan::stageFinished(train->stage, done));
            continue;
        }
        plan::Measurement answer{std::visit(
                                     [](const auto& request) {
                                         if constexpr (requires { request.id; })
                                             return request.id;
                                         else
                                             return std::string();
                                     },
                                     wanted.front()),
                                 {},
                                 true};
        const auto& stage =
            *plan::findStage(now, std::visit([](const auto& request) -> const std::string& { return request.stage; }, wanted.front()));
        const bool trained = std::holds_alternative<plan::ProbeLoss>(wanted.front());
        for (std::size_t i = 0; i < stage.window.size(); ++i) {
            const double size = plan::costOf(stage, stage.window[i]) / plan::forecast(now.stages.back()).flopsPerImage,
                         seconds = 0.002 + 0.03 * size;
            if (trained)
                answer.table.push_back({1.6 * std::pow(size, -0.08) * (1.0 + 0.03 * static_cast<double>(i)), seconds}); // the smallest wins
            else
                answer.table.push_back({-1500.0 * (1.0 + size), 40.0 + 22.0 * size - 3.0 * static_cast<double>(i % 2), seconds});
        }
        now = strategy->apply(now, answer);
    }
    must(writeFileAtomically(folder.planFile(), plan::toJson(now).dump()));
    return now;
}

/// A stage that stands beside others, in a folder of its own.
void writeBranch(const runs::RunFolder& branch, const plan::Stage& stage, const FakeRun& run, double began, const Stretch& stretch)
{
    std::filesystem::create_directories(branch.root());
    auto events = must(runs::EventLog::open(branch.eventsFile()));
    must(events.append(runs::makeEvent(runs::Resumed{1, stretch.from}, began + stretch.began)));
    must(events.append(runs::makeEvent(runs::StageStarted{stage.index, stage.id, stretch.from}, began + stretch.began)));
    writeScalars(branch, run, began, {stretch});
}

} // namespace

runs::RunFolder makeRun(const std::filesystem::path& library, const FakeRun& run)
{
    Json overlay = config::findPreset("demo")->overlay;
    overlay["training"]["steps"] = run.ofSteps;
    overlay["training"]["seconds"] = 0;
    overlay = config::merge(overlay, run.settings);
    const auto config = must(config::read(overlay));
    const auto folder = must(runs::createRunFolder(library / run.name, config::document(config)));
    const double began = runs::wallTime() - static_cast<double>(run.step) * run.secondsPerStep - 240;
    auto events = must(runs::EventLog::open(folder.eventsFile()));
    const auto at = [&](std::int64_t step) { return began + static_cast<double>(step) * run.secondsPerStep; };
    const auto note = [&](const auto& what, std::int64_t step) { must(events.append(runs::makeEvent(what, at(step)))); };
    if (run.state == runs::RunState::New)
        return folder;
    note(runs::StateChanged{runs::RunState::Starting, ""}, 0);
    std::string gpus;
    for (int i = 0; i < run.gpus; ++i)
        gpus += (i > 0 ? "," : "") + std::to_string(i);
    note(runs::Started{1, 0, run.gpus > 0 ? run.gpus : 2, run.gpus > 0 ? gpus : "cpu:2", run.ofSteps, 0, 0.0}, 0);
    std::map<std::int64_t, int> stages; // from which step
    std::vector<std::int64_t> ends;
    std::vector<Stretch> own{{0, run.step}};
    if (config::stagesOf(config.schedule, config.model) > 1) {
        const auto plan = writePlan(folder, config, run);
        std::int64_t turn = 0; // at which the stage begins, where those beside it were trained before it
        own.clear();
        for (const auto& stage : plan.stages) {
            const auto begins = plan::beginOf(plan, stage);
            if (!begins || turn > run.step || (turn == run.step && !stage.branch.empty()))
                break;
            note(runs::StageStarted{stage.index, stage.id, begins->steps}, turn);
            stages.try_emplace(begins->steps, stage.index);
            const auto end = plan::endOf(plan, stage.id);
            const auto steps = end ? end->steps - begins->steps : run.step - turn;
            const Stretch stretch{begins->steps, begins->steps + steps, begins->seconds, static_cast<double>(begins->images),
                                  static_cast<double>(turn) * run.secondsPerStep};
            if (!stage.branch.empty())
                writeBranch(folder.branch(stage.branch), stage, run, began, stretch);
            else
                own.push_back(stretch);
            if (end && stage.branch.empty() && stage.role == plan::Stage::Role::Train)
                ends.push_back(end->steps);
            turn += steps;
        }
    } else {
        note(runs::StageStarted{0, "stage-00", 0}, 0);
    }
    const auto stageAt = [&](std::int64_t step) {
        const auto after = stages.lower_bound(step); // a grid at a boundary is that of the stage that ended
        return after == stages.begin() ? 0 : std::prev(after)->second;
    };
    note(runs::StateChanged{runs::RunState::Training, ""}, 0);
    writeScalars(folder, run, began, own);
    writeRanks(folder, run, began);
    for (int i = 1; i <= run.grids; ++i) {
        const auto step = run.step * i / run.grids / 100 * 100;
        const auto place = folder.samplesFolder(stageAt(step), step);
        runs::SamplesDrawn drawn{step,
                                 stageAt(step),
                                 "ema",
                                 folder.relative(place),
                                 folder.relative(place / "grid-ema.png"),
                                 run.gridSide * run.gridSide,
                                 run.gridSide,
                                 Json{{"sampler", "ddim"}, {"steps", 50}, {"seed", 0}},
                                 3.0};
        if (run.pictures)
            drawGrid(place / "grid-ema.png", run, static_cast<double>(i) / run.grids);
        note(drawn, step);
    }
    for (int i = 1; i <= run.evaluations; ++i) {
        const auto step = run.step * i / run.evaluations / 100 * 100;
        runs::Evaluated e{
            step, stageAt(step), "ema", "fd", 10.0 + 48.0 * std::exp(-static_cast<double>(step) / 6000.0) + 1.3 * std::sin(i * 2.1), 0.9};
        e.floor = 3.1;
        e.ceiling = 412.0;
        e.recipe = Json{{"name", "FD-1k, EMA, DDIM-50, seed 1"}};
        note(e, step);
    }
    for (int i = 1; i <= run.checkpoints; ++i)
        ends.push_back(run.step * i / run.checkpoints / 100 * 100);
    std::sort(ends.begin(), ends.end());
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    for (const auto step : ends) {
        std::filesystem::create_directories(folder.checkpointFolder(step));
        must(writeFileAtomically(folder.checkpointFolder(step) / "manifest.json", "{\"step\": " + std::to_string(step) +
                                                                                      ", \"made_on\": {\"device\": \"cpu\", "
                                                                                      "\"world_size\": 1}}"));
        note(runs::CheckpointWritten{step, stageAt(step), folder.relative(folder.checkpointFolder(step)), 143'000'000,
                                     stages.count(step) > 0 ? "stage" : "interval"},
             step);
    }
    if (run.state == runs::RunState::Failed)
        note(runs::Failed{run.failure, "rank 1: out of memory", run.step,
                          run.checkpoints > 0 ? folder.relative(folder.checkpointFolder(run.step / 100 * 100)) : "", 1, "memory"},
             run.step);
    if (run.state != runs::RunState::Training)
        note(runs::StateChanged{run.state, run.failure}, run.step);
    return folder;
}

FakeRun growingVit()
{
    return {.name = "vit-growing",
            .step = 31'000,
            .pointEvery = 5,
            .grids = 0,
            .checkpoints = 2,
            .seed = 11,
            .settings = {{"model", {{"kind", "vit"}, {"depth", 12}}}, {"schedule", {{"kind", "autoprog"}}}}};
}

FakeRun growingDit()
{
    return {.name = "dit-zero",
            .step = 31'000,
            .pointEvery = 5,
            .grids = 8,
            .checkpoints = 2,
            .seed = 12,
            .settings = {{"model", {{"kind", "dit"}, {"depth", 12}}},
                         {"samples", {{"sampler", {{"guidance", 1.0}}}}},
                         {"evaluation", {{"sampler", {{"guidance", 1.0}}}}},
                         {"schedule", {{"kind", "autoprog-zero"}}}}};
}

FakeRun assembledVit(int modules, bool finished)
{
    constexpr std::int64_t kMeta = 9000, kModule = 4000, kWhole = 6000;
    return {.name = finished ? "vit-assembled-done" : "vit-assembled",
            .state = finished ? runs::RunState::Finished : runs::RunState::Training,
            .ofSteps = kMeta + kModule + kWhole,
            .step = finished ? kMeta + modules * kModule + kWhole : kMeta + 2 * kModule + 1600,
            .pointEvery = 5,
            .evaluations = 0,
            .grids = 0,
            .checkpoints = 0,
            .seed = 13,
            .settings = {{"model", {{"kind", "vit"}, {"depth", modules == 4 ? 12 : modules}}},
                         {"training", {{"batch_size", 128}}},
                         {"schedule",
                          {{"kind", "assembled"},
                           {"modules", modules},
                           {"pt", {{"steps", kMeta}}},
                           {"mt", {{"steps", kModule}}},
                           {"ft", {{"steps", kWhole}}}}}}};
}

void makeShowcase(const std::filesystem::path& library)
{
    using runs::RunState;
    std::filesystem::create_directories(library);
    makeRun(library, {.name = "flowers-xl2", .state = RunState::Training});
    makeRun(library, {.name = "cifar-speed", .state = RunState::Training, .step = 14'000, .seed = 2});
    makeRun(library, {.name = "dit-four-gpus", .state = RunState::Training, .step = 22'000, .pointEvery = 5, .seed = 3, .gpus = 4});
    makeRun(library, growingVit());
    makeRun(library, growingDit());
    makeRun(library, assembledVit());
    makeRun(library, assembledVit(4, true));
    makeRun(library, {.name = "cub-xl2-plain", .state = RunState::Paused, .step = 27'000, .pointEvery = 20, .seed = 4});
    makeRun(library, {.name = "garden-demo", .state = RunState::Finished, .ofSteps = 8000, .step = 8000, .pointEvery = 10, .seed = 5});
    makeRun(library, {.name = "vit-ti-autoprog",
                      .state = RunState::Failed,
                      .step = 9000,
                      .pointEvery = 10,
                      .failure = "Rank 1 ran out of memory at step 9 000: a batch of 512 needs 81 GB. Lower training.micro_batch to 16.",
                      .seed = 6});
    makeRun(library, {.name = "artbench-zero", .state = RunState::Stopped, .step = 40'000, .pointEvery = 40, .seed = 7});
    makeRun(library, {.name = "next-idea", .state = RunState::New});
}

} // namespace espalier::testing
