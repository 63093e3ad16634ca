// SPDX-License-Identifier: GPL-3.0-or-later
// The buttons behind the lanes of modules: each starts or pauses its module alone.
#include "widgets/lane_room.h"
#include "widgets/page_parts.h"
#include "widgets/stage_lanes.h"
#include "widgets/stage_words.h"
#include "widgets/theme.h"

#include <QToolButton>

#include <cmath>

namespace espalier::widgets {

using namespace lanes;

namespace {

constexpr const char* kIcon = "laneIcon";

} // namespace

void StageLanes::showButtons()
{
    std::vector<const BlockView*> wanted;
    for (const BlockView& block : m_blocks)
        if (block.control && thicknessOf(block.lanes).first >= kButton)
            wanted.push_back(&block);
    while (m_buttons.size() > wanted.size()) {
        m_buttons.back().second->deleteLater();
        m_buttons.pop_back();
    }
    while (m_buttons.size() < wanted.size()) {
        auto* button = new QToolButton(this);
        button->setFocusPolicy(Qt::TabFocus);
        button->setStyleSheet(QStringLiteral("QToolButton { padding: 0; margin: 0; min-height: 0; }"));
        button->setIconSize({14, 14});
        button->setFixedSize(kButton, kButton);
        const auto place = m_buttons.size();
        connect(button, &QToolButton::clicked, this, [this, place] {
            const int lane = m_buttons[place].first;
            for (const BlockView& block : m_blocks)
                if (block.control && block.lane == lane) {
                    const auto control = *block.control; // what follows may bring new blocks
                    return Q_EMIT moduleRequested(control);
                }
        });
        m_buttons.emplace_back(-1, button);
    }
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        auto& [lane, button] = m_buttons[i];
        const auto& control = *wanted[i]->control;
        const QString title = qstr(wanted[i]->title), name = inSentence(title);
        lane = wanted[i]->lane;
        button->setObjectName(QStringLiteral("lane.%1").arg(qstr(control.branch)));
        button->setAccessibleName(control.starts ? tr("Start %1").arg(name) : tr("Pause %1").arg(name));
        const QString icon = control.starts ? QStringLiteral("start") : QStringLiteral("pause");
        if (button->property(kIcon).toString() != icon) {
            button->setProperty(kIcon, icon);
            setThemedIcon(button, icon);
        }
        setEnabledWithReason(button, countedFromOne(qstr(control.whyNot)),
                             control.starts ? tr("Start %1: it goes on when there is a device for it").arg(name)
                                            : tr("Pause %1 alone: it saves, and the others go on").arg(name));
        button->show();
    }
    placeButtons();
}

void StageLanes::placeButtons()
{
    for (const auto& [lane, button] : m_buttons)
        for (const BlockView& block : m_blocks)
            if (block.control && block.lane == lane) {
                const QRectF row = laneOf(block);
                button->move(static_cast<int>(std::lround(row.right())) + kButtonGap,
                             static_cast<int>(std::lround(row.center().y() - kButton / 2.0)));
            }
}

void StageLanes::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    placeButtons();
}

} // namespace espalier::widgets
