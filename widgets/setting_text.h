// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// How settings read: titles made from paths, values as a person types them, command lines as a shell takes them.

#include "core/base/json.h"

#include <QString>
#include <QStringList>

#include <string>
#include <string_view>
#include <vector>

namespace espalier::widgets {

/// One step of a path: a key, and the alternative it stands under ("model[unet]") if any.
struct PathStep {
    std::string key, kind;
};

/// "model[unet].drop_rate" as its steps.
std::vector<PathStep> pathSteps(std::string_view path);
/// "model[unet].drop_rate" -> "model.drop_rate", as JSON and flags spell it.
std::string plainPath(std::string_view path);
/// The section a setting stands in: "training.ema.ramp" -> "training.ema"; "" for settings of the run itself.
std::string sectionOf(std::string_view path);

/// "training.learning_rate" -> "Learning rate".
QString settingTitle(std::string_view path);
/// "training.ema" -> "Training · EMA"; "" -> "Run".
QString sectionTitle(std::string_view section);

/// The value of a whole configuration at a path, or nullptr when its alternative is not chosen.
const Json* valueAt(const Json& config, std::string_view path);
/// Sets the value at a path; makes the objects on the way.
void setValueAt(Json& config, std::string_view path, Json value);

/// The value as a person types it: "50 000" with thin spaces, "0.0002", "1, 2, 2, 2", "on".
QString valueText(const Json& value);
/// What a person typed, as --set takes it: thin and other spaces inside numbers and lists removed.
QString typedText(const QString& text, const Json& like);
/// The value in an assignment "path=value".
QString assignmentText(const Json& value);

/// "2.0 × 10⁻⁴" for small and large numbers, "0.25" otherwise.
QString scientificText(double value);
/// 12 400 with thin spaces.
QString groupedText(qint64 value);

/// Joined so that a POSIX shell reads back the same words.
QString shellCommand(const QStringList& words);

} // namespace espalier::widgets
