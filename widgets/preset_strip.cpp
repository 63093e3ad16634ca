// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/preset_strip.h"

#include "core/config/presets.h"
#include "widgets/page_parts.h"
#include "widgets/theme.h"

#include <QButtonGroup>
#include <QHBoxLayout>
#include <QPainter>
#include <QScrollBar>
#include <QTextLayout>

#include <algorithm>

namespace espalier::widgets {

namespace {

constexpr int kCardHeight = 84, kCardWidth = 176;

/// Wraps text into an area and ends the last line that fits with an ellipsis.
void drawElided(QPainter& painter, const QRectF& area, const QString& text)
{
    const QFontMetricsF metrics(painter.font());
    QTextLayout layout(text, painter.font());
    layout.beginLayout();
    qreal y = area.top();
    for (;;) {
        QTextLine line = layout.createLine();
        if (!line.isValid())
            break;
        line.setLineWidth(area.width());
        const bool last = y + 2 * metrics.lineSpacing() > area.bottom() + 1;
        QString shown = text.mid(line.textStart(), line.textLength());
        if (last)
            shown = metrics.elidedText(text.mid(line.textStart()), Qt::ElideRight, area.width());
        painter.drawText(QPointF(area.left(), y + metrics.ascent()), shown.trimmed());
        y += metrics.lineSpacing();
        if (last)
            break;
    }
    layout.endLayout();
}

} // namespace

PresetCard::PresetCard(const QString& id, const QString& title, const QString& summary, QWidget* parent)
    : QAbstractButton(parent), m_id(id), m_summary(summary)
{
    setObjectName(QStringLiteral("preset.") + id);
    setText(title);
    setAccessibleName(title);
    setAccessibleDescription(summary);
    setToolTip(summary);
    setCheckable(true);
    setFocusPolicy(Qt::StrongFocus);
    setAttribute(Qt::WA_Hover);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setMinimumWidth(std::clamp(QFontMetrics(typeFont(Type::Strong)).horizontalAdvance(title) + 28, kCardWidth, 260));
    setMaximumWidth(320);
}

QSize PresetCard::sizeHint() const
{
    return {minimumWidth(), kCardHeight};
}

void PresetCard::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const Tokens& t = tokens(palette());
    const QColor fill = isChecked() ? t.selection : underMouse() ? t.hover : t.card;
    drawRounded(painter, rect(), fill, isChecked() || hasFocus() ? t.accent : t.line);
    if (hasFocus()) // a second ring, so that focus and choice are told apart
        drawRounded(painter, QRectF(rect()).adjusted(1, 1, -1, -1), QColor(), t.accent, metric::kRadius - 1);
    const QRectF inner = QRectF(rect()).adjusted(12, 10, -12, -8);
    painter.setFont(typeFont(Type::Strong));
    painter.setPen(t.text);
    const QFontMetricsF title(painter.font());
    painter.drawText(QPointF(inner.left(), inner.top() + title.ascent()), title.elidedText(text(), Qt::ElideRight, inner.width()));
    painter.setFont(typeFont(Type::Small));
    painter.setPen(t.dim);
    drawElided(painter, inner.adjusted(0, title.height() + 3, 0, 0), m_summary);
}

PresetStrip::PresetStrip(QWidget* parent) : QScrollArea(parent), m_group(new QButtonGroup(this))
{
    setObjectName(QStringLiteral("presetStrip"));
    setAccessibleName(tr("Presets"));
    makePlain(this);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAsNeeded);
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* content = new QWidget(this);
    auto* row = new QHBoxLayout(content);
    row->setContentsMargins(0, 0, 0, 4);
    row->setSpacing(metric::kCardGap);
    for (const config::Preset& preset : config::presets()) {
        auto* card = new PresetCard(QString::fromStdString(preset.id), QString::fromStdString(preset.title),
                                    QString::fromStdString(preset.summary), content);
        m_group->addButton(card);
        m_cards.push_back(card);
        row->addWidget(card);
        connect(card, &QAbstractButton::clicked, this, [this, card] { Q_EMIT chosen(card->id()); });
    }
    row->addStretch(1);
    setWidget(content);
    setFixedHeight(kCardHeight + 14); // with its scroll bar
}

void PresetStrip::setCurrent(const QString& id)
{
    m_group->setExclusive(false);
    for (PresetCard* card : m_cards)
        card->setChecked(card->id() == id);
    m_group->setExclusive(true);
}

} // namespace espalier::widgets
