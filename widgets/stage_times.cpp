// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stage_times.h"

#include "widgets/format.h"
#include "widgets/theme.h"

#include <QMouseEvent>
#include <QPainter>
#include <QStringList>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace espalier::widgets {

namespace {

constexpr qreal kNames = 100, kLegend = 24, kRow = 26, kBar = 14;
constexpr qreal kMark = 14, kBetween = 16; // of the legend: a mark with the gap behind it, and the gap between entries

struct Share {
    double seconds;
    QColor colour;
    QString title;
};

std::array<Share, 4> sharesOf(const StageOutcome& stage, const Tokens& t)
{
    return {Share{stage.training, t.accent, StageTimes::tr("training")},
            Share{stage.searching.value_or(0.0), t.search, StageTimes::tr("searching")},
            Share{stage.sampling, t.second, StageTimes::tr("sampling")}, Share{stage.evaluating, t.dim, StageTimes::tr("evaluating")}};
}

} // namespace

StageTimes::StageTimes(QWidget* parent) : QWidget(parent)
{
    setObjectName(QStringLiteral("stageTimes"));
    setAccessibleName(tr("Time of each stage"));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void StageTimes::setStages(const std::vector<StageOutcome>& stages)
{
    m_stages = stages;
    updateGeometry();
    QStringList said;
    for (const auto& stage : m_stages)
        said << QStringLiteral("%1: %2").arg(stage.title, stage.started ? duration(stage.spent()) : tr("to come"));
    setAccessibleDescription(said.join(QStringLiteral("; ")));
    update();
}

void StageTimes::setSelected(int index)
{
    if (std::exchange(m_selected, index) != index)
        update();
}

QSize StageTimes::sizeHint() const
{
    return {600, static_cast<int>(legendHeight() + kRow * static_cast<double>(std::max<std::size_t>(1, m_stages.size())))};
}

double StageTimes::longest() const
{
    double most = 0.0;
    for (const auto& stage : m_stages)
        most = std::max({most, stage.spent(), stage.forecast.value_or(0.0)});
    return most;
}

QRectF StageTimes::rowOf(std::size_t place) const
{
    return QRectF(0, legendHeight() + kRow * static_cast<qreal>(place), width(), kRow);
}

std::vector<StageTimes::LegendEntry> StageTimes::legend() const
{
    const Tokens& t = tokens(palette());
    std::vector<LegendEntry> entries;
    const auto all = sharesOf({}, t);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (i == 0 || std::any_of(m_stages.begin(), m_stages.end(), [&](const auto& stage) { return sharesOf(stage, t)[i].seconds > 0.0; }))
            entries.push_back({all[i].title, all[i].colour, {}});
    if (std::any_of(m_stages.begin(), m_stages.end(), [](const auto& stage) { return stage.forecast.has_value(); }))
        entries.push_back({tr("forecast"), {}, {}});
    const QFontMetricsF metrics(typeFont(Type::Small));
    const auto wide = [&](const LegendEntry& entry) { return kMark + metrics.horizontalAdvance(entry.title); };
    qreal whole = -kBetween;
    for (const auto& entry : entries)
        whole += wide(entry) + kBetween;
    const qreal left = kNames + whole <= width() ? kNames : 0;
    QPointF at(left, kLegend / 2 - 2);
    for (auto& entry : entries) {
        if (at.x() > left && at.x() + wide(entry) > width())
            at = {left, at.y() + kLegend};
        entry.at = at;
        at.rx() += wide(entry) + kBetween;
    }
    return entries;
}

qreal StageTimes::legendHeight() const
{
    return legend().back().at.y() + kLegend / 2 + 2;
}

/// Room for the seconds behind the bars.
qreal StageTimes::numbersWidth() const
{
    return width() < 400 ? 110 : 150;
}

void StageTimes::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    updateGeometry(); // the legend may need another line
}

void StageTimes::paintLegend(QPainter& painter) const
{
    const Tokens& t = tokens(palette());
    painter.setFont(typeFont(Type::Small));
    for (const auto& entry : legend()) {
        const auto& at = entry.at;
        if (entry.colour.isValid()) {
            painter.setPen(Qt::NoPen);
            painter.setBrush(entry.colour);
            painter.drawRoundedRect(QRectF(at.x(), at.y() - 5, 9, 9), 2, 2);
        } else {
            painter.setPen(QPen(t.text, 1.5));
            painter.drawLine(QPointF(at.x() + 4, at.y() - 6), QPointF(at.x() + 4, at.y() + 5));
        }
        painter.setPen(t.dim);
        painter.drawText(QPointF(at.x() + kMark, at.y() + 3.5), entry.title);
    }
}

void StageTimes::paintBar(QPainter& painter, const StageOutcome& stage, const QRectF& row) const
{
    const Tokens& t = tokens(palette());
    const double most = longest();
    const QRectF track(kNames, row.center().y() - kBar / 2, std::max(20.0, row.width() - kNames - numbersWidth()), kBar);
    const auto wide = [&](double seconds) { return most > 0.0 ? seconds / most * track.width() : 0.0; };
    painter.setFont(typeFont(stage.index == m_selected ? Type::Strong : Type::Small));
    painter.setPen(stage.started ? t.text : t.dim);
    painter.drawText(QRectF(row.left(), row.top(), kNames - 8, row.height()), Qt::AlignLeft | Qt::AlignVCenter, stage.title);
    painter.setPen(Qt::NoPen);
    if (!stage.started && stage.forecast) {
        painter.setBrush(hatch(t.line, t.card, devicePixelRatioF()));
        painter.setPen(t.line);
        painter.drawRoundedRect(QRectF(track.left() + 0.5, track.top() + 0.5, std::max(2.0, wide(*stage.forecast)), kBar - 1), 3, 3);
    }
    qreal x = track.left();
    painter.setPen(Qt::NoPen);
    for (const Share& share : sharesOf(stage, t)) {
        if (!(share.seconds > 0.0))
            continue;
        const qreal w = std::max<qreal>(2.0, wide(share.seconds));
        painter.setBrush(share.colour);
        painter.drawRect(QRectF(x, track.top(), w - 1, kBar));
        x += w;
    }
    if (stage.started && stage.forecast) {
        const qreal at = std::round(track.left() + wide(*stage.forecast)) + 0.5;
        painter.setPen(QPen(t.text, 1.5));
        painter.drawLine(QPointF(at, track.top() - 3), QPointF(at, track.bottom() + 3));
    }
    painter.setFont(typeFont(Type::Small));
    painter.setPen(stage.started ? t.text : t.dim);
    const QString said = stage.started    ? duration(stage.spent())
                         : stage.forecast ? tr("forecast %1").arg(duration(*stage.forecast))
                                          : tr("to come");
    drawTabular(painter, QRectF(track.right() + 12, row.top(), numbersWidth() - 12, row.height()), Qt::AlignLeft | Qt::AlignVCenter, said);
}

void StageTimes::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    paintLegend(painter);
    for (std::size_t i = 0; i < m_stages.size(); ++i)
        paintBar(painter, m_stages[i], rowOf(i));
}

void StageTimes::mousePressEvent(QMouseEvent* event)
{
    for (std::size_t i = 0; i < m_stages.size(); ++i)
        if (event->button() == Qt::LeftButton && rowOf(i).contains(event->position()))
            return Q_EMIT stageClicked(m_stages[i].index);
}

} // namespace espalier::widgets
