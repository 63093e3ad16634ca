// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/follower.h"

#include <QImage>
#include <QString>

#include <vector>

namespace espalier::widgets::fixtures {

/// A grid of small drawings under noise that fades as `progress` goes from 0 to 1; cell i has a colour of its own.
QImage drawnGrid(int columns, int rows, int side, double progress, unsigned seed);
/// A run's folder with `count` steps of grids, EMA and raw, as the worker writes them; the last third belongs to stage 2.
std::vector<runs::SampleEntry> writeSamples(const QString& folder, int count, int columns = 6, int rows = 6, int side = 32);
std::vector<runs::EvaluationEntry> evaluations(int count);
std::vector<runs::CheckpointEntry> checkpoints(int count);

} // namespace espalier::widgets::fixtures
