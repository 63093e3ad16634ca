// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plan_summary.h"

#include "core/config/batch.h"
#include "core/config/config.h"
#include "core/config/devices.h"
#include "core/plan/forecast.h"
#include "core/plan/strategy.h"
#include "core/shapes/cost.h"
#include "core/shapes/parameters.h"
#include "widgets/format.h"
#include "widgets/run_values.h"
#include "widgets/setting_text.h"

#include <QObject>
#include <QStringList>

#include <algorithm>
#include <limits>

namespace espalier::widgets {

namespace {

QString tr(const char* text)
{
    return QObject::tr(text);
}

/// Images of one epoch, or 0 where only the folder knows.
std::int64_t epochImages(const config::DataConfig& data)
{
    switch (data.source) {
    case config::DataSource::Garden:
        return data.gardenTrain;
    case config::DataSource::Cifar10:
    case config::DataSource::Cifar100:
        return 50000;
    case config::DataSource::Folder:
    case config::DataSource::Features:
        return 0;
    }
    return 0;
}

QString plural(std::int64_t count, const char* one, const char* many)
{
    return groupedText(count) + QLatin1Char(' ') + QLatin1String(count == 1 ? one : many);
}

QString lengthText(const config::RunConfig& run)
{
    const config::TrainingConfig& training = run.training;
    const std::int64_t epoch = epochImages(run.data);
    QStringList limits;
    std::int64_t steps = std::numeric_limits<std::int64_t>::max();
    const std::int64_t stepsPerEpoch = std::max<std::int64_t>(1, epoch / training.batchSize);
    if (training.steps > 0) {
        limits << plural(training.steps, "step", "steps");
        steps = training.steps;
    }
    if (training.epochs > 0) {
        limits << plural(training.epochs, "epoch", "epochs");
        if (epoch > 0 && training.epochs < steps / stepsPerEpoch)
            steps = training.epochs * stepsPerEpoch;
    }
    if (training.images > 0) {
        limits << plural(training.images, "image", "images");
        steps = std::min(steps, (training.images + training.batchSize - 1) / training.batchSize);
    }
    if (training.seconds > 0.0)
        limits << duration(training.seconds);
    QString text = limits.join(tr(" or "));
    if (limits.size() > 1)
        text += tr(", whichever comes first");
    if (steps == std::numeric_limits<std::int64_t>::max())
        return text;
    QStringList derived;
    if (training.steps != steps)
        derived << plural(steps, "step", "steps");
    if (epoch > 0 && !(limits.size() == 1 && training.epochs > 0)) {
        const double epochs = static_cast<double>(steps) * static_cast<double>(training.batchSize) / static_cast<double>(epoch);
        derived << tr("%1 epochs").arg(QString::number(epochs, 'f', epochs < 10 ? 1 : 0));
    }
    return derived.isEmpty() ? text : text + QStringLiteral(" = ") + derived.join(QStringLiteral(" · "));
}

/// "2 048", "12.4 M".
QString amount(double count)
{
    return count < 1e5 ? groupedText(static_cast<std::int64_t>(count)) : compact(count);
}

/// What is said of each stage, with what stands side by side together: "60 + 40 × 4 + 40".
QString sumText(const plan::Plan& plan, const QStringList& parts)
{
    QStringList said;
    for (qsizetype from = 0, to = 0; from < parts.size(); from = to) {
        const auto beside = [&](qsizetype place) { return !plan.stages[static_cast<std::size_t>(place)].branch.empty(); };
        for (to = from + 1; to < parts.size() && beside(from) && beside(to) && parts[to] == parts[from];)
            ++to;
        said << (to - from > 1 ? QStringLiteral("%1 × %2").arg(parts[from]).arg(to - from) : parts[from]);
    }
    return said.join(QStringLiteral(" + "));
}

/// The lengths of phases that are trainings by themselves: "60 + 40 × 4 + 40 steps or 1 m 40 s + 30 s × 4 + 1 m 20 s".
QString phasesText(const plan::Plan& plan)
{
    QStringList steps, images, seconds;
    for (const auto& stage : plan.stages) {
        if (stage.length.steps)
            steps << groupedText(*stage.length.steps);
        if (stage.length.images)
            images << amount(static_cast<double>(*stage.length.images));
        if (stage.length.seconds)
            seconds << duration(*stage.length.seconds);
    }
    const auto all = static_cast<qsizetype>(plan.stages.size());
    QStringList limits; // those that every phase has; where they differ, each says its own
    if (steps.size() == all)
        limits << tr("%1 steps").arg(sumText(plan, steps));
    if (images.size() == all)
        limits << tr("%1 images").arg(sumText(plan, images));
    if (seconds.size() == all)
        limits << sumText(plan, seconds);
    if (!limits.isEmpty())
        return limits.join(tr(" or ")) + (limits.size() > 1 ? tr(", whichever comes first") : QString());
    QStringList each;
    for (const auto& stage : plan.stages)
        each << (stage.length.steps     ? tr("%1 steps").arg(groupedText(*stage.length.steps))
                 : stage.length.images  ? tr("%1 images").arg(amount(static_cast<double>(*stage.length.images)))
                 : stage.length.seconds ? duration(*stage.length.seconds)
                                        : QString());
    return sumText(plan, each);
}

QString samplerText(const config::SamplerConfig& sampler)
{
    const auto name = sampler.kind == config::SamplerKind::Ddpm ? QStringLiteral("DDPM") : QStringLiteral("DDIM");
    if (!sampler.timestepRespacing.empty())
        return QObject::tr("%1 respaced %2").arg(name, qstr(sampler.timestepRespacing));
    return sampler.kind == config::SamplerKind::Ddpm ? name : QStringLiteral("%1-%2").arg(name).arg(sampler.steps);
}

QString everyText(std::int64_t every, const QString& never, const QString& what)
{
    return every > 0 ? QObject::tr("%1 every %2").arg(what, plural(every, "step", "steps")) : never;
}

QString modelText(const shapes::ModelShape& shape)
{
    return QObject::tr("%1, %2 parameters, %3FLOP an image")
        .arg(modelName(qstr(shapes::family(shape))), amount(static_cast<double>(shapes::parameterCount(shape))),
             compact(shapes::trainingFlops(shape)));
}

/// Against the memory of one GPU, or of the host, which all its workers share.
PlanLine memoryLine(const config::RunConfig& run, const shapes::ModelShape& shape, std::int64_t microBatch, int world, bool gpu,
                    const MachineFacts& machine)
{
    // Allocators and workspaces add 10 to 40 % to what can be counted.
    const double counted = static_cast<double>(shapes::trainingMemory(shape, run.training, microBatch).total()) * (gpu ? 1 : world);
    const auto least = static_cast<std::uint64_t>(counted * 1.1), most = static_cast<std::uint64_t>(counted * 1.4);
    const auto there = gpu ? machine.gpuBytes : machine.hostBytes;
    QString text = QObject::tr("about %1 to %2").arg(bytes(least), bytes(most));
    if (there == 0)
        return {tr("Memory"), text};
    text += QObject::tr(" of %1").arg(bytes(there));
    if (least > there)
        text += tr(": too much. Lower training.micro_batch or the model");
    else if (most > there)
        text += tr(": this may not fit");
    return {tr("Memory"), text, least > there};
}

QString timeText(const config::RunConfig& run, const std::optional<Pace>& pace)
{
    const double limit = run.training.seconds;
    const auto planned = plannedOf(run);
    if (pace && planned) {
        double seconds = 0.0;
        std::int64_t steps = 0;
        bool known = true;
        const auto times = stageSeconds(*planned, pace);
        for (std::size_t i = 0; i < times.size(); ++i) {
            const auto cost = plan::forecast(planned->stages[i], pace->imagesPerSecond);
            known = known && times[i] && cost.steps;
            seconds += times[i].value_or(0.0);
            steps += cost.steps.value_or(0);
        }
        const QString basis = QObject::tr("at the %1 images/s of %2").arg(value(pace->imagesPerSecond, 3), pace->run);
        if (known && limit > 0 && seconds >= limit * (1.0 - 1e-9) && planned->stages.size() == 1)
            return QObject::tr("%1: about %2 steps, %3").arg(duration(limit), groupedText(steps), basis);
        if (known)
            return QObject::tr("about %1, %2").arg(duration(seconds), basis);
    }
    const bool others = run.training.steps > 0 || run.training.epochs > 0 || run.training.images > 0;
    if (limit > 0)
        return (others ? tr("at most ") : QString()) + duration(limit);
    return tr("known after the first steps: no run like this one has been trained here");
}

} // namespace

Result<plan::Plan> plannedOf(const config::RunConfig& run)
{
    auto images = epochImages(run.data);
    if (images == 0) // only epochs need to know how many there are
        images = std::max<std::int64_t>(run.training.batchSize, 1'000'000);
    return plan::makeStrategy(run, {.images = images})->begin();
}

std::vector<std::optional<double>> stageSeconds(const plan::Plan& plan, const std::optional<Pace>& pace)
{
    // The same operations a second at every size: small networks are slower than that, which is why it is a forecast.
    const double flopsPerSecond = pace ? pace->imagesPerSecond * plan::forecast(plan.stages.back()).flopsPerImage : 0.0;
    std::vector<std::optional<double>> seconds;
    for (const auto& stage : plan.stages) {
        const double each = plan::forecast(stage).flopsPerImage;
        seconds.push_back(plan::forecast(stage, each > 0.0 ? flopsPerSecond / each : 0.0).seconds);
    }
    return seconds;
}

std::vector<PlanLine> planSummary(const Json& json, const MachineFacts& machine, const std::optional<Pace>& pace)
{
    const auto read = config::read(json);
    if (!read)
        return {};
    const config::RunConfig& run = *read;
    std::vector<PlanLine> lines;
    const auto phases = std::holds_alternative<config::AssembledSchedule>(run.schedule)
                            ? plannedOf(run)
                            : Result<plan::Plan>(Error{ErrorCode::Usage, {}, {}});
    lines.push_back({tr("Length"), phases ? phasesText(*phases) : lengthText(run)});
    lines.push_back({tr("Time"), timeText(run, pace)});
    const auto shape = shapes::shapeOf(run);
    lines.push_back({tr("Model"), modelText(shape)});

    int world = 1;
    bool gpu = false;
    QString devices;
    if (const auto ask = config::parseDevices(run.devices)) {
        world = ask->count;
        switch (ask->kind) {
        case config::DeviceKind::Auto:
            gpu = machine.gpus > 0; // the first one
            devices = gpu ? QStringLiteral("GPU 0") : QStringLiteral("CPU");
            if (!machine.deviceName.isEmpty())
                devices += QStringLiteral(" · ") + machine.deviceName;
            break;
        case config::DeviceKind::Cpu:
            devices = world > 1 ? QObject::tr("CPU, %1 workers").arg(world) : QStringLiteral("CPU");
            break;
        case config::DeviceKind::Gpu:
            gpu = true;
            devices = tr(world > 1 ? "GPUs " : "GPU ") + QString::fromStdString(run.devices);
            break;
        }
    }
    if (const auto split = config::deriveBatch(run.training, world)) {
        QString text = groupedText(split->globalBatch());
        QStringList factors;
        if (world > 1)
            factors << QObject::tr("%1 devices").arg(world);
        if (world > 1 || split->accumulation > 1)
            factors << groupedText(split->microBatch);
        if (split->accumulation > 1)
            factors << QObject::tr("%1 accumulations").arg(split->accumulation);
        if (factors.size() > 1)
            text += QStringLiteral(" = ") + factors.join(QStringLiteral(" × "));
        else
            text += tr(" images in one pass");
        lines.push_back({tr("Batch"), text});
        lines.push_back(memoryLine(run, shape, split->microBatch, world, gpu, machine));
    } else {
        lines.push_back({tr("Batch"), QString::fromStdString(split.error().message), true});
    }
    QString rate = scientificText(config::effectiveLearningRate(run.training));
    if (run.training.learningRateBatch > 0)
        rate += QObject::tr(" (%1 per batch of %2)")
                    .arg(scientificText(run.training.learningRate), groupedText(run.training.learningRateBatch));
    if (run.training.warmupSteps > 0)
        rate += QObject::tr(", after %1 of warm-up").arg(plural(run.training.warmupSteps, "step", "steps"));
    lines.push_back({tr("Learning rate"), rate});
    lines.push_back({tr("Devices"), devices});
    lines.push_back({tr("Checkpoints"), everyText(run.checkpoints.every, tr("At pause, stop and end"), tr("One"))});
    if (config::drawsImages(run.model))
        lines.push_back(
            {tr("Samples"),
             everyText(run.samples.every, tr("None while training"),
                       QObject::tr("%1 by %2").arg(plural(run.samples.count, "image", "images"), samplerText(run.samples.sampler)))});
    const bool draws = config::drawsImages(run.model);
    const QString metric = !draws ? tr("Accuracy") : run.evaluation.metric == config::MetricKind::Fid ? tr("FID") : tr("FD");
    lines.push_back({tr("Evaluation"), everyText(run.evaluation.every, tr("On request"),
                                                 QObject::tr("%1 of %2").arg(metric, plural(run.evaluation.images, "image", "images")))});
    return lines;
}

} // namespace espalier::widgets
