// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plan_card.h"

#include "widgets/page_parts.h"
#include "widgets/theme.h"

#include <QGridLayout>
#include <QLabel>
#include <QVBoxLayout>

#include <utility>

namespace espalier::widgets {

PlanCard::PlanCard(QWidget* parent) : Card(tr("Plan"), parent), m_lines(new QGridLayout)
{
    setObjectName(QStringLiteral("planCard"));
    setAccessibleName(tr("Plan"));
    m_lines->setHorizontalSpacing(metric::kGap);
    m_lines->setVerticalSpacing(6);
    m_lines->setColumnStretch(1, 1);
    body()->addLayout(m_lines);
}

bool PlanCard::setConfig(const Json& config)
{
    m_config = config;
    return refresh();
}

void PlanCard::setMachine(const MachineFacts& machine)
{
    m_machine = machine;
    refresh();
}

void PlanCard::setPace(const std::optional<Pace>& pace)
{
    m_pace = pace;
    refresh();
}

bool PlanCard::refresh()
{
    auto lines = planSummary(m_config, m_machine, m_pace);
    if (lines == m_shown && m_lines->count() > 0)
        return !lines.empty();
    m_shown = std::move(lines);
    while (QLayoutItem* item = m_lines->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    int row = 0;
    for (const PlanLine& line : m_shown) {
        auto* title = dimLabel(line.title, this);
        auto* text = line.wrong ? errorLabel(this) : new QLabel(this);
        text->setText(line.text);
        text->setObjectName(QStringLiteral("plan.") + line.title);
        text->setWordWrap(true);
        text->setTextInteractionFlags(Qt::TextSelectableByMouse);
        m_lines->addWidget(title, row, 0, Qt::AlignTop);
        m_lines->addWidget(text, row++, 1, Qt::AlignTop);
    }
    if (m_shown.empty()) {
        auto* note = dimLabel(tr("The plan appears here when every setting is right."), this);
        note->setWordWrap(true);
        m_lines->addWidget(note, 0, 0, 1, 2);
    }
    return !m_shown.empty();
}

} // namespace espalier::widgets
