// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plan_summary.h"

#include "core/base/text.h"
#include "core/config/batch.h"
#include "core/config/config.h"
#include "core/config/devices.h"
#include "widgets/setting_text.h"

#include <QObject>
#include <QStringList>

#include <algorithm>
#include <chrono>
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
        return 0;
    }
    return 0;
}

QString plural(std::int64_t count, const char* one, const char* many)
{
    return groupedText(count) + QLatin1Char(' ') + QLatin1String(count == 1 ? one : many);
}

QString time(double seconds)
{
    return QString::fromStdString(durationText(std::chrono::duration<double>(seconds)));
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
        limits << time(training.seconds);
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

QString samplerText(const config::SamplerConfig& sampler)
{
    return sampler.kind == config::SamplerKind::Ddpm ? QStringLiteral("DDPM") : QStringLiteral("DDIM-%1").arg(sampler.steps);
}

QString everyText(std::int64_t every, const QString& never, const QString& what)
{
    return every > 0 ? QObject::tr("%1 every %2").arg(what, plural(every, "step", "steps")) : never;
}

} // namespace

std::vector<PlanLine> planSummary(const Json& json, const MachineFacts& machine)
{
    const auto read = config::read(json);
    if (!read)
        return {};
    const config::RunConfig& run = *read;
    std::vector<PlanLine> lines;
    lines.push_back({tr("Length"), lengthText(run)});

    int world = 1;
    QString devices;
    if (const auto ask = config::parseDevices(run.devices)) {
        world = ask->count;
        switch (ask->kind) {
        case config::DeviceKind::Auto:
            world = std::max(1, machine.gpus);
            devices = machine.gpus > 0 ? plural(machine.gpus, "GPU", "GPUs") : QStringLiteral("CPU");
            if (!machine.deviceName.isEmpty())
                devices += QStringLiteral(" · ") + machine.deviceName;
            break;
        case config::DeviceKind::Cpu:
            devices = world > 1 ? QObject::tr("CPU, %1 workers").arg(world) : QStringLiteral("CPU");
            break;
        case config::DeviceKind::Gpu:
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
    } else {
        lines.push_back({tr("Batch"), QString::fromStdString(split.error().message)});
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
    lines.push_back(
        {tr("Samples"),
         everyText(run.samples.every, tr("None while training"),
                   QObject::tr("%1 by %2").arg(plural(run.samples.count, "image", "images"), samplerText(run.samples.sampler)))});
    const QString metric = run.evaluation.metric == config::MetricKind::Fid ? QStringLiteral("FID") : QStringLiteral("FD");
    lines.push_back({tr("Evaluation"), everyText(run.evaluation.every, tr("On request"),
                                                 QObject::tr("%1 of %2").arg(metric, plural(run.evaluation.images, "image", "images")))});
    return lines;
}

} // namespace espalier::widgets
