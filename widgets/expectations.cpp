// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/expectations.h"

#include "core/runs/run_state.h"
#include "widgets/format.h"

namespace espalier::widgets {

QString expectedSamples(const RunView& run)
{
    const auto every = settingNumber(run.config, "samples", "every");
    if (!drawsImages(run.config))
        return QStringLiteral("This model tells images apart and draws none.");
    if (run.state == runs::RunState::Finished)
        return QStringLiteral("This run has drawn no samples. Press Sample to draw a grid now.");
    if (every > 0)
        return QStringLiteral("A grid of samples appears here every %1 steps, always from the same noise.").arg(number(every));
    return QStringLiteral("This run draws no samples by itself. Press Sample to draw a grid now.");
}

QString expectedMeasurements(const RunView& run)
{
    const auto every = settingNumber(run.config, "evaluation", "every");
    const QString what = drawsImages(run.config) ? QStringLiteral("distance between samples and data")
                                                 : QStringLiteral("share of test images that are told right");
    if (run.state == runs::RunState::Finished)
        return QStringLiteral("This run has not measured the %1. Press Evaluate to measure it now.").arg(what);
    if (every > 0)
        return QStringLiteral("The %1 appears here every %2 steps. Evaluate asks for it now.").arg(what, number(every));
    return QStringLiteral("This run does not measure the %1 by itself. Press Evaluate to measure it now.").arg(what);
}

} // namespace espalier::widgets
