// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/compare_box.h"

#include "core/config/presets.h"

#include <algorithm>

namespace espalier::widgets {

CompareBox::CompareBox(QWidget* parent) : QComboBox(parent)
{
    setObjectName(QStringLiteral("compareWith"));
    setAccessibleName(tr("Compare with"));
    setMinimumWidth(180);
    setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon); // not as wide as the longest title of a preset
    setMinimumContentsLength(18);
    setRuns({});
    connect(this, &QComboBox::activated, this, &CompareBox::choose);
}

void CompareBox::setRuns(const std::vector<Run>& runs)
{
    const QString chosen = currentData().toString();
    clear();
    addItem(tr("Compare with…"));
    addItem(tr("Defaults"), QStringLiteral("defaults"));
    for (const config::Preset& preset : config::presets())
        addItem(QString::fromStdString(preset.title), QStringLiteral("preset:") + QString::fromStdString(preset.id));
    for (const auto& run : runs)
        addItem(run.title, run.id);
    setCurrentIndex(std::max(0, findData(chosen)));
}

void CompareBox::choose(int index)
{
    const QString id = itemData(index).toString();
    if (id.isEmpty())
        Q_EMIT compared(Json());
    else if (id == QLatin1String("defaults"))
        Q_EMIT compared(Json::object());
    else if (id.startsWith(QLatin1String("preset:")))
        Q_EMIT compared(config::findPreset(id.mid(7).toStdString()).value().overlay);
    else
        Q_EMIT runRequested(id);
}

} // namespace espalier::widgets
