// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include <cstdint>

namespace espalier::widgets {

/// "12 400" with thin spaces.
QString number(std::int64_t value);
/// Four significant digits, never an exponent where a person would not write one: "0.1482", "10.31", "1.0 × 10⁻⁴", "NaN".
QString value(double v, int digits = 4);
/// "1.2 M", "36.5 k": for axes and tiles.
QString compact(double v);
/// "2 h 11 m"
QString duration(double seconds);
/// "4 m ago", "just now"
QString ago(double seconds);
/// "61 GB"
QString bytes(std::uint64_t count);
/// The kinds of config.json as people write them: "unet" → "U-Net", "garden" → "Garden".
QString modelName(const QString& kind);
QString datasetName(const QString& kind);
QString scheduleName(const QString& kind);

} // namespace espalier::widgets
