// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/page_fixtures.h"

#include "core/runs/run_folder.h"

#include <QDir>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>
#include <random>

namespace espalier::widgets::fixtures {

QImage drawnGrid(int columns, int rows, int side, double progress, unsigned seed)
{
    constexpr int kPadding = 2;
    QImage grid(columns * (side + kPadding) + kPadding, rows * (side + kPadding) + kPadding, QImage::Format_RGB32);
    grid.fill(QColor(0x80, 0x80, 0x80));
    std::mt19937 noise(seed);
    for (int i = 0; i < columns * rows; ++i) {
        QImage cell(side, side, QImage::Format_RGB32);
        QPainter painter(&cell);
        painter.setRenderHint(QPainter::Antialiasing);
        QLinearGradient ground(0, 0, 0, side);
        ground.setColorAt(0, QColor::fromHsv(180 + i * 7 % 40, 90, 230));
        ground.setColorAt(1, QColor::fromHsv(95 + i * 5 % 30, 110, 170));
        painter.fillRect(cell.rect(), ground);
        painter.translate(side / 2.0 + i % 5 - 2, side / 2.0 + i % 3 - 1);
        painter.scale(side / 32.0, side / 32.0);
        painter.rotate(i * 23);
        painter.setPen(Qt::NoPen);
        painter.setBrush(QColor::fromHsv((i % columns) * 360 / columns, 200, 235));
        for (int petal = 0; petal < 5; ++petal) {
            painter.rotate(72);
            painter.drawEllipse(QPointF(0, -7), 4, 6);
        }
        painter.setBrush(QColor(0xf5d13f));
        painter.drawEllipse(QPointF(0, 0), 3.5, 3.5);
        painter.end();
        const double share = std::pow(1.0 - progress, 1.5);
        for (int y = 0; y < side; ++y)
            for (int x = 0; x < side; ++x) {
                const QRgb old = cell.pixel(x, y);
                const auto mixed = [&](int channel) {
                    return std::clamp(static_cast<int>((1.0 - share) * channel + share * static_cast<double>(noise() % 256)), 0, 255);
                };
                const int red = mixed(qRed(old)), green = mixed(qGreen(old)), blue = mixed(qBlue(old));
                cell.setPixel(x, y, qRgb(red, green, blue));
            }
        QPainter into(&grid);
        into.drawImage(kPadding + i % columns * (side + kPadding), kPadding + i / columns * (side + kPadding), cell);
    }
    grid.setText(QStringLiteral("espalier.grid"),
                 QStringLiteral("{\"columns\":%1,\"padding\":%2,\"cell_width\":%3,\"cell_height\":%3,\"count\":%4}")
                     .arg(columns)
                     .arg(kPadding)
                     .arg(side)
                     .arg(columns * rows));
    return grid;
}

std::vector<runs::SampleEntry> writeSamples(const QString& folder, int count, int columns, int rows, int side)
{
    std::vector<runs::SampleEntry> all;
    for (int i = 0; i < count; ++i) {
        const std::int64_t step = (i + 1) * 500;
        const int stage = i * 3 / count == 2 ? 1 : 0;
        const QString relative =
            QStringLiteral("samples/stage-%1/%2").arg(stage, 2, 10, QLatin1Char('0')).arg(QString::fromStdString(runs::stepName(step)));
        QDir(folder).mkpath(relative);
        for (const char* weights : {"ema:0.9999", "raw"}) {
            const bool averaged = weights[0] == 'e';
            const QString grid = relative + (averaged ? QStringLiteral("/grid-ema.png") : QStringLiteral("/grid-raw.png"));
            const double progress = count > 1 ? double(i) / (count - 1) : 1.0;
            drawnGrid(columns, rows, side, averaged ? progress : 0.8 * progress, static_cast<unsigned>(2 * i + averaged))
                .save(folder + QLatin1Char('/') + grid);
            runs::SampleEntry entry;
            entry.drawn.step = step;
            entry.drawn.stage = stage;
            entry.drawn.weights = weights;
            entry.drawn.folder = relative.toStdString();
            entry.drawn.grid = grid.toStdString();
            entry.drawn.count = columns * rows;
            entry.drawn.columns = columns;
            entry.drawn.recipe = {{"sampler", {{"kind", "ddim"}, {"steps", 50}, {"eta", 0.0}, {"skip", "linear"}}}, {"seed", 0}};
            entry.drawn.seconds = 4.2;
            entry.time = 1795465812.0 + 60.0 * i;
            all.push_back(std::move(entry));
        }
    }
    return all;
}

std::vector<runs::EvaluationEntry> evaluations(int count)
{
    std::vector<runs::EvaluationEntry> all;
    for (int i = 0; i < count; ++i) {
        runs::EvaluationEntry entry;
        runs::Evaluated& e = entry.evaluated;
        e.step = (i + 1) * 2000;
        e.stage = i * 3 / count == 2 ? 1 : 0;
        e.weights = i % 4 == 3 ? "raw" : "ema:0.9999";
        e.metric = "fd";
        e.value = 4.0 + 44.0 * std::exp(-i * 0.45) + (e.weights == "raw" ? 3.0 : 0.0);
        e.spread = 0.4 + 0.02 * i;
        e.floor = 1.31;
        e.ceiling = 88.4;
        e.recipe = {{"name", e.weights == "raw" ? "FD-1k, raw, DDIM-50, seed 1" : "FD-1k, EMA, DDIM-50, seed 1"},
                    {"images", 1000},
                    {"seed", 1},
                    {"sampler", {{"kind", "ddim"}, {"steps", 50}}}};
        e.extra = {{"nearest", 0.21 + 0.01 * i}};
        e.seconds = 38.0;
        entry.time = 1795465812.0 + 600.0 * i;
        all.push_back(std::move(entry));
    }
    return all;
}

std::vector<runs::CheckpointEntry> checkpoints(int count)
{
    std::vector<runs::CheckpointEntry> all;
    for (int i = 0; i < count; ++i) {
        runs::CheckpointEntry entry;
        entry.step = (i + 1) * 1000;
        entry.stage = i * 3 / count == 2 ? 1 : 0;
        entry.folder = "checkpoints/" + runs::stepName(entry.step);
        entry.bytes = 571'000'000 + 1'000'000u * static_cast<unsigned>(i);
        entry.because = i + 1 == count ? "pause" : i % 3 == 2 ? "wish" : "interval";
        entry.keptByHand = i == 1;
        if (i % 2 == 0)
            entry.metric = {"fd", 48.0 / (i + 1) + 4.0};
        entry.time = 1795465812.0 + 900.0 * i;
        all.push_back(std::move(entry));
    }
    return all;
}

} // namespace espalier::widgets::fixtures
