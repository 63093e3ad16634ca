// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// What the dialogs ask for: plain values that become wishes to a live run or a command on a run at rest.

#include "core/base/json.h"

#include <QString>
#include <QStringList>

#include <cstdint>

namespace espalier::widgets {

/// How images are drawn: the settings "samples.sampler" and "evaluation.sampler".
struct SamplerChoice {
    QString kind = QStringLiteral("ddim"); // ddpm, ddim
    std::int64_t steps = 50;
    double eta = 0.0;
    QString timestepRespacing; // as DiT writes it; empty: by kind and steps
    bool clipDenoised = true;
    double guidance = 1.0;
    QString guidanceChannels = QStringLiteral("all"); // all, first-three
    std::int64_t label = -1;                          // -1: all classes in turn
    Json overlay() const;
    QStringList arguments() const;
};

struct SampleRequest {
    std::int64_t step = -1; // of the checkpoint; -1: the run as it is now
    std::int64_t count = 36, seed = 0;
    QString weights = QStringLiteral("ema"); // ema, raw, both
    SamplerChoice sampler;
    /// Options of the wish: an overlay of the group "samples".
    Json wishOptions() const;
    /// Arguments of "espalier-cli sample" behind --checkpoint. Weights "both" become "ema" there.
    QStringList arguments() const;
};

struct EvaluateRequest {
    std::int64_t step = -1;
    QString metric = QStringLiteral("auto");
    QString features; // weights file of the Inception network, for fid
    std::int64_t images = 1000, seed = 1;
    SamplerChoice sampler;
    /// Options of the wish: an overlay of the group "evaluation".
    Json wishOptions() const;
    /// Arguments of "espalier-cli evaluate" behind --checkpoint.
    QStringList arguments() const;
};

struct ExportRequest {
    std::int64_t step = -1;
    QString weights = QStringLiteral("ema");        // ema, ema:0.9999, raw
    QString format = QStringLiteral("safetensors"); // or pt
    QString file;
    /// Arguments of "espalier-cli export" behind --checkpoint.
    QStringList arguments() const;
};

} // namespace espalier::widgets
