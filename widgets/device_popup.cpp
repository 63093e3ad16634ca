// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/device_popup.h"

#include "widgets/device_picker.h"
#include "widgets/page_parts.h"
#include "widgets/theme.h"

#include <QScreen>
#include <QScrollArea>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

namespace {
constexpr int kWidth = 480;
}

DevicePopup::DevicePopup(QWidget* parent) : QFrame(parent, Qt::Popup), m_picker(new DevicePicker)
{
    setObjectName(QStringLiteral("devicePopup"));
    setAccessibleName(tr("Choose devices"));
    setFrameShape(QFrame::StyledPanel);
    auto* area = new QScrollArea(this); // machines with many GPUs
    area->setObjectName(QStringLiteral("devicePopupArea"));
    makePlain(area);
    m_picker->setContentsMargins(16, 14, 16, 14);
    area->setWidget(m_picker);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(1, 1, 1, 1);
    column->addWidget(area);
}

void DevicePopup::showAt(const QWidget* anchor)
{
    const QRect room = anchor->screen()->availableGeometry();
    const int wide = std::min(kWidth, room.width()), high = std::min(m_picker->sizeHint().height() + 32, room.height() * 9 / 10);
    const QPoint below = anchor->mapToGlobal(QPoint(anchor->width() - wide, anchor->height()));
    const int top = below.y() + high <= room.bottom() ? below.y() : std::max(room.top(), room.bottom() - high);
    setGeometry(std::clamp(below.x(), room.left(), std::max(room.left(), room.right() - wide)), top, wide, high);
    show();
    m_picker->setFocus(Qt::PopupFocusReason);
}

void DevicePopup::showEvent(QShowEvent* event)
{
    QFrame::showEvent(event);
    Q_EMIT shownChanged(true);
}

void DevicePopup::hideEvent(QHideEvent* event)
{
    QFrame::hideEvent(event);
    Q_EMIT shownChanged(false);
}

} // namespace espalier::widgets
