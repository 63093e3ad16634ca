// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/watch_tiles.h"

#include "core/runs/metrics.h"

#include "widgets/card.h"
#include "widgets/format.h"
#include "widgets/theme.h"

#include <QGridLayout>

#include <cmath>
#include <utility>

namespace espalier::widgets {
namespace {

const runs::ScalarPoint* lastOf(const RunView& run, std::string_view tag)
{
    const auto it = run.last.find(std::string(tag));
    return it == run.last.end() ? nullptr : &it->second;
}

/// "cosine": how the rate falls after warm-up.
QString rateSchedule(const Json& config)
{
    const QString name = settingText(config, "training", "learning_rate_schedule");
    return name.isEmpty() || name == QLatin1String("constant") ? QStringLiteral("constant") : name + QStringLiteral(" decay");
}

} // namespace

WatchTiles::WatchTiles(QWidget* parent)
    : QWidget(parent), m_loss(new Tile(QStringLiteral("Loss"), this)), m_best(new Tile(QStringLiteral("Best FD"), this)),
      m_throughput(new Tile(QStringLiteral("Throughput"), this)), m_rate(new Tile(QStringLiteral("Learning rate"), this))
{
    auto* tiles = new QGridLayout(this);
    tiles->setContentsMargins(0, 0, 0, 0);
    tiles->setSpacing(metric::kCardGap - 2);
    const std::pair<Tile*, const char*> all[] = {
        {m_loss, "tileLoss"}, {m_best, "tileBest"}, {m_throughput, "tileThroughput"}, {m_rate, "tileRate"}};
    for (int i = 0; i < 4; ++i) {
        all[i].first->setObjectName(QLatin1String(all[i].second));
        tiles->addWidget(all[i].first, i / 2, i % 2);
    }
}

void WatchTiles::setRun(const RunView& run)
{
    showLoss(run);
    showBest(run);
    showThroughput(run);
    showRate(run);
}

void WatchTiles::showLoss(const RunView& run)
{
    if (!run.smoothedLoss)
        return m_loss->setValue({}, QStringLiteral("appears with the first steps"));
    const auto newest = run.last.find(std::string(runs::tags::kLoss)); // stages side by side count on without it
    QString note = QStringLiteral("at step ") + number(newest != run.last.end() ? newest->second.step : run.progress.step);
    if (run.lossPerThousand) {
        const int places = std::abs(*run.smoothedLoss) >= 0.01 ? 4 : 6;
        const QString change = QString::number(std::abs(*run.lossPerThousand), 'f', places);
        const bool steady = change.toDouble() == 0.0;
        note = steady ? QStringLiteral("steady")
                      : (*run.lossPerThousand > 0 ? QLatin1Char('+') : QChar(0x2212)) + change + QStringLiteral(" per 1 000 steps");
    }
    m_loss->setValue(value(*run.smoothedLoss), note);
}

void WatchTiles::showBest(const RunView& run)
{
    const runs::Evaluated* best = nullptr;
    for (const auto& entry : *run.evaluations)
        if (runs::leadingMetric(entry.evaluated.metric) && std::isfinite(entry.evaluated.value) &&
            (best == nullptr || runs::isBetter(best->metric, entry.evaluated.value, best->value)))
            best = &entry.evaluated;
    m_best->setLabel(best != nullptr           ? QStringLiteral("Best ") + qstr(runs::metricTitle(best->metric))
                     : drawsImages(run.config) ? QStringLiteral("Best FD")
                                               : QStringLiteral("Best top-1"));
    if (best == nullptr)
        return m_best->setValue({}, QStringLiteral("appears after an evaluation"));
    m_best->setValue(value(best->value), (best->spread ? QStringLiteral("± ") + value(*best->spread, 2) + QLatin1Char(' ') : QString()) +
                                             QStringLiteral("at step ") + number(best->step));
}

void WatchTiles::showThroughput(const RunView& run)
{
    const auto* speed = lastOf(run, runs::tags::kImagesPerSecond);
    if (speed == nullptr && run.progress.imagesPerSecond <= 0)
        return m_throughput->setValue({}, QStringLiteral("images per second"));
    const double rate = run.progress.imagesPerSecond > 0 ? run.progress.imagesPerSecond : speed->value;
    QString note = QStringLiteral("images/s");
    if (const auto batch = settingNumber(run.config, "training", "batch_size"); batch > 0 && rate > 0)
        note += QStringLiteral(" · ") + value(rate / static_cast<double>(batch), 3) + QStringLiteral(" steps/s");
    m_throughput->setValue(rate >= 100 ? number(std::llround(rate)) : value(rate, 3), note);
}

void WatchTiles::showRate(const RunView& run)
{
    const auto* rate = lastOf(run, runs::tags::kLearningRate);
    if (rate == nullptr)
        return m_rate->setValue({}, QStringLiteral("appears with the first steps"));
    const auto warmup = settingNumber(run.config, "training", "warmup_steps");
    m_rate->setValue(value(rate->value),
                     warmup > rate->step ? QStringLiteral("warming up to step %1").arg(number(warmup)) : rateSchedule(run.config));
}

} // namespace espalier::widgets
