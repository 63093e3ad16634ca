// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/state_look.h"

#include "widgets/device_words.h"

#include <QPainter>
#include <QPainterPath>

namespace espalier::widgets {

using runs::RunState;

StateShape shapeOf(RunState state)
{
    switch (state) {
    case RunState::New:
        return StateShape::Ring;
    case RunState::Queued:
    case RunState::Starting:
        return StateShape::Clock;
    case RunState::Training:
    case RunState::Sampling:
    case RunState::Evaluating:
    case RunState::Saving:
    case RunState::Pausing:
    case RunState::Stopping:
        return StateShape::Disc;
    case RunState::Paused:
        return StateShape::Bars;
    case RunState::Stopped:
        return StateShape::Square;
    case RunState::Finished:
        return StateShape::Check;
    case RunState::Failed:
        return StateShape::Cross;
    case RunState::Lost:
        return StateShape::Question;
    }
    return StateShape::Ring;
}

QColor colourOf(RunState state, const Tokens& t)
{
    switch (shapeOf(state)) {
    case StateShape::Disc:
    case StateShape::Clock:
        return t.accent;
    case StateShape::Bars:
        return t.pause;
    case StateShape::Cross:
    case StateShape::Question:
        return t.failure;
    case StateShape::Ring:
    case StateShape::Square:
    case StateShape::Check:
        return t.dim;
    }
    return t.dim;
}

Chip::Tone toneOf(RunState state)
{
    switch (shapeOf(state)) {
    case StateShape::Disc:
    case StateShape::Clock:
        return Chip::Tone::Accent;
    case StateShape::Bars:
        return Chip::Tone::Pause;
    case StateShape::Cross:
    case StateShape::Question:
        return Chip::Tone::Failure;
    default:
        return Chip::Tone::Plain;
    }
}

void drawState(QPainter& painter, const QRectF& area, RunState state, const Tokens& t)
{
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    const QColor colour = colourOf(state, t);
    const QPointF c = area.center();
    const qreal r = std::min(area.width(), area.height()) / 2;
    const QPen line(colour, r * 0.36, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin);
    switch (shapeOf(state)) {
    case StateShape::Disc:
        painter.setPen(Qt::NoPen);
        painter.setBrush(colour);
        painter.drawEllipse(c, r * 0.92, r * 0.92);
        break;
    case StateShape::Ring:
        painter.setPen(line);
        painter.drawEllipse(c, r * 0.75, r * 0.75);
        break;
    case StateShape::Clock:
        painter.setPen(QPen(colour, r * 0.3));
        painter.drawEllipse(c, r * 0.82, r * 0.82);
        painter.drawPolyline(QPolygonF({c - QPointF(0, r * 0.45), c, c + QPointF(r * 0.35, 0)}));
        break;
    case StateShape::Bars:
        painter.setPen(Qt::NoPen);
        painter.setBrush(colour);
        painter.drawRoundedRect(QRectF(c.x() - r * 0.75, c.y() - r * 0.9, r * 0.55, r * 1.8), 1, 1);
        painter.drawRoundedRect(QRectF(c.x() + r * 0.2, c.y() - r * 0.9, r * 0.55, r * 1.8), 1, 1);
        break;
    case StateShape::Square:
        painter.setPen(Qt::NoPen);
        painter.setBrush(colour);
        painter.drawRoundedRect(QRectF(c.x() - r * 0.75, c.y() - r * 0.75, r * 1.5, r * 1.5), 1, 1);
        break;
    case StateShape::Check:
        painter.setPen(line);
        painter.drawPolyline(QPolygonF({c + QPointF(-r * 0.8, 0), c + QPointF(-r * 0.2, r * 0.6), c + QPointF(r * 0.85, -r * 0.65)}));
        break;
    case StateShape::Cross:
        painter.setPen(line);
        painter.drawLine(c + QPointF(-r * 0.7, -r * 0.7), c + QPointF(r * 0.7, r * 0.7));
        painter.drawLine(c + QPointF(-r * 0.7, r * 0.7), c + QPointF(r * 0.7, -r * 0.7));
        break;
    case StateShape::Question: {
        QFont f = typeFont(Type::Strong);
        f.setPixelSize(static_cast<int>(r * 2.6));
        painter.setFont(f);
        painter.setPen(colour);
        painter.drawText(area.adjusted(-4, -4, 4, 4), Qt::AlignCenter, QStringLiteral("?"));
        break;
    }
    }
    painter.restore();
}

QString stateWords(RunState state)
{
    const auto title = runs::stateTitle(state);
    return QString::fromUtf8(title.data(), static_cast<qsizetype>(title.size()));
}

QString queuedWords(RunState state, int place)
{
    return state == RunState::Queued && place > 0 ? stateWords(state) + QStringLiteral(", ") + ordinal(place) : stateWords(state);
}

} // namespace espalier::widgets
