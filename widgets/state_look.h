// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/run_state.h"
#include "widgets/card.h"
#include "widgets/theme.h"

#include <QIcon>

class QPainter;

namespace espalier::widgets {

/// How a run state looks: a colour and a shape, so that it never rests on colour alone.
enum class StateShape { Ring, Clock, Disc, Bars, Square, Check, Cross, Question };
StateShape shapeOf(runs::RunState state);
QColor colourOf(runs::RunState state, const Tokens& tokens);
Chip::Tone toneOf(runs::RunState state);

/// Draws the mark into `area` (a square of about 10 pixels).
void drawState(QPainter& painter, const QRectF& area, runs::RunState state, const Tokens& tokens);
/// "Training": for labels, menus and screen readers.
QString stateWords(runs::RunState state);
/// The same, and of a run that waits its place in the queue: "Queued, 2nd".
QString queuedWords(runs::RunState state, int place);

} // namespace espalier::widgets
