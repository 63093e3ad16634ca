// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/grid_settings.h"

#include "widgets/format.h"
#include "widgets/page_parts.h"
#include "widgets/setting_text.h"
#include "widgets/theme.h"

#include <QGridLayout>
#include <QLabel>
#include <QScrollArea>
#include <QVBoxLayout>

#include <algorithm>
#include <string_view>

namespace espalier::widgets {
namespace {

constexpr int kWidth = 224;

/// Parts of a recipe that stand above it, or that say how the picture was put together.
bool isSaidElsewhere(std::string_view key)
{
    static constexpr std::string_view kKeys[] = {"step", "weights", "columns", "padding", "cell"};
    return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

void addRecipe(std::vector<GridSettings::Line>& lines, const Json& recipe, const QString& before)
{
    for (const auto& [key, value] : recipe.items()) {
        if (value.is_object())
            addRecipe(lines, value, before + settingTitle(key) + QStringLiteral(" · "));
        else if (!value.is_null() && !(before.isEmpty() && isSaidElsewhere(key)))
            lines.push_back({before + settingTitle(key), valueText(value)});
    }
}

} // namespace

bool isAveraged(const std::string& weights)
{
    return weights.rfind("ema", 0) == 0;
}

QString weightsText(const std::string& weights)
{
    if (!isAveraged(weights))
        return weights.empty() ? QObject::tr("Unknown") : QObject::tr("Raw");
    return weights.size() > 4 ? QStringLiteral("EMA ") + QString::fromStdString(weights.substr(4)) : QStringLiteral("EMA");
}

QStringList columnNames(const runs::SampleEntry& entry)
{
    QStringList names;
    const Json& recipe = entry.drawn.recipe;
    if (const auto found = recipe.is_object() ? recipe.find("class_names") : recipe.end(); found != recipe.end() && found->is_array())
        for (const Json& name : *found)
            names << valueText(name);
    return names;
}

std::vector<GridSettings::Line> GridSettings::linesOf(const runs::SampleEntry& entry, const StageNames& names)
{
    const runs::SamplesDrawn& drawn = entry.drawn;
    std::vector<Line> lines{{tr("Step"), number(drawn.step)},
                            {tr("Stage"), names.of(drawn.stage)},
                            {tr("Weights"), weightsText(drawn.weights)},
                            {tr("Images"), number(drawn.count)}};
    if (drawn.recipe.is_object())
        addRecipe(lines, drawn.recipe, {});
    if (drawn.seconds > 0.0)
        lines.push_back({tr("Took"), duration(drawn.seconds)});
    if (entry.time > 0.0)
        lines.push_back({tr("Drawn"), whenText(entry.time, 0.0)});
    return lines;
}

GridSettings::GridSettings(QWidget* parent) : Card(tr("Settings"), parent), m_layout(new QGridLayout)
{
    setFixedWidth(kWidth);
    auto* area = new QScrollArea(this);
    area->setObjectName(QStringLiteral("gridSettings"));
    makePlain(area);
    auto* lines = new QWidget(area);
    auto* column = new QVBoxLayout(lines);
    column->setContentsMargins(0, 0, 0, 0);
    m_layout->setHorizontalSpacing(metric::kGap);
    m_layout->setVerticalSpacing(metric::kGrid);
    m_layout->setColumnStretch(1, 1);
    column->addLayout(m_layout);
    column->addStretch(1);
    area->setWidget(lines);
    body()->addWidget(area, 1);
}

void GridSettings::show(const runs::SampleEntry* entry, const runs::SampleEntry* other)
{
    auto lines = entry != nullptr ? linesOf(*entry, m_names) : std::vector<Line>();
    const auto compared = entry != nullptr && other != nullptr ? linesOf(*other, m_names) : std::vector<Line>();
    for (Line& line : lines) {
        const auto same = std::find_if(compared.begin(), compared.end(), [&](const Line& l) { return l.title == line.title; });
        if (same != compared.end() && same->text != line.text)
            line.text = tr("A %1\nB %2").arg(same->text, line.text);
    }
    if (lines == m_shown) // the run moved on, the grid did not
        return;
    m_shown = std::move(lines);
    for (; m_labels.size() > m_shown.size(); m_labels.pop_back()) {
        delete m_labels.back().first;
        delete m_labels.back().second;
    }
    while (m_labels.size() < m_shown.size())
        addRow();
    for (std::size_t i = 0; i < m_shown.size(); ++i) {
        m_labels[i].first->setText(m_shown[i].title);
        m_labels[i].second->setText(m_shown[i].text);
    }
}

void GridSettings::addRow()
{
    const int row = static_cast<int>(m_labels.size());
    auto* title = dimLabel(QString(), this);
    auto* text = new QLabel(this);
    text->setTextFormat(Qt::PlainText);
    text->setWordWrap(true);
    text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_layout->addWidget(title, row, 0, Qt::AlignTop);
    m_layout->addWidget(text, row, 1, Qt::AlignTop);
    m_labels.emplace_back(title, text);
}

} // namespace espalier::widgets
