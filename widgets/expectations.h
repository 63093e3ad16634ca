// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// What a page says as long as a run has nothing to show on it: when something comes, or how to ask for it.

#include "widgets/run_values.h"

#include <QString>

namespace espalier::widgets {

QString expectedSamples(const RunView& run);
/// Distances of a network that draws, accuracy of one that tells classes apart.
QString expectedMeasurements(const RunView& run);

} // namespace espalier::widgets
