// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/card.h"

#include "widgets/theme.h"

#include <QFontMetrics>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QVBoxLayout>

#include <cmath>
#include <utility>

namespace espalier::widgets {

Card::Card(const QString& title, QWidget* parent) : QWidget(parent), m_title(new QLabel(title, this))
{
    auto* outer = new QVBoxLayout(this);
    outer->setContentsMargins(metric::kCardPadding, metric::kCardPadding - 2, metric::kCardPadding, metric::kCardPadding);
    outer->setSpacing(metric::kGap);
    m_header = new QHBoxLayout;
    m_header->setSpacing(metric::kGap);
    m_title->setFont(typeFont(Type::Strong));
    m_header->addWidget(m_title);
    m_header->addStretch(1);
    outer->addLayout(m_header);
    m_body = new QVBoxLayout;
    m_body->setSpacing(metric::kGap);
    outer->addLayout(m_body, 1);
    setTitle(title);
}

void Card::setTitle(const QString& title)
{
    m_title->setText(title);
    m_title->setVisible(!title.isEmpty());
    if (accessibleName().isEmpty())
        setAccessibleName(title);
}

void Card::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const auto& t = tokens(palette());
    drawRounded(painter, rect(), t.card, t.line);
}

void TroubleCard::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const auto& t = tokens(palette());
    drawRounded(painter, rect(), t.card, t.failure);
    drawRounded(painter, QRectF(6, 8, 3, height() - 16), t.failure, QColor(), 1.5);
}

Chip::Chip(const QString& text, Tone tone, QWidget* parent) : QWidget(parent), m_tone(tone)
{
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    setText(text);
}

void Chip::setText(const QString& text)
{
    if (text == m_text)
        return;
    m_text = text;
    setAccessibleName(text);
    updateGeometry();
    update();
}

void Chip::setTone(Tone tone)
{
    if (std::exchange(m_tone, tone) != tone)
        update();
}

QSize Chip::sizeHint() const
{
    const QFont f = typeFont(Type::Small);
    return {static_cast<int>(std::ceil(tabularWidth(f, m_text))) + 24, QFontMetrics(f).height() + 10};
}

void Chip::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const auto& t = tokens(palette());
    const bool dark = t.scheme == Scheme::Dark;
    const auto tint = [&](const QColor& c) {
        QColor soft = c;
        soft.setAlphaF(dark ? 0.24f : 0.16f);
        return soft;
    };
    QFont f = typeFont(Type::Small);
    QColor fill = dark ? t.hover : QColor(0xe9ece8), ink = t.text;
    switch (m_tone) {
    case Tone::Plain:
        break;
    case Tone::Accent:
        fill = t.softAccent, ink = t.accent;
        break;
    case Tone::Pause:
        fill = tint(t.pause), ink = t.pause;
        break;
    case Tone::Failure:
        fill = tint(t.failure), ink = t.failure;
        break;
    case Tone::Search:
        fill = tint(t.search), ink = t.search;
        break;
    }
    if (m_tone != Tone::Plain) {
        f.setWeight(QFont::DemiBold);
        if (!dark)
            ink = ink.darker(115);
    }
    painter.setFont(f);
    drawRounded(painter, rect(), fill, QColor());
    painter.setPen(ink);
    drawTabular(painter, rect(), Qt::AlignCenter, m_text);
}

Tile::Tile(const QString& label, QWidget* parent) : QWidget(parent), m_label(label)
{
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    describe();
}

void Tile::setValue(const QString& value, const QString& note)
{
    if (value == m_value && note == m_note)
        return;
    m_value = value;
    m_note = note;
    describe();
    update();
}

void Tile::setLabel(const QString& label)
{
    m_label = label;
    describe();
    update();
}

void Tile::describe()
{
    setAccessibleName(m_label);
    setAccessibleDescription(m_value.isEmpty() ? m_note : m_value + QLatin1String(", ") + m_note);
}

QSize Tile::sizeHint() const
{
    return {156, 90};
}

QSize Tile::minimumSizeHint() const
{
    return {120, 76};
}

void Tile::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const auto& t = tokens(palette());
    drawRounded(painter, rect(), t.card, t.line);
    const QRectF inner = QRectF(rect()).adjusted(metric::kCardPadding, 10, -metric::kCardPadding, -8);

    QFont label = typeFont(Type::Small);
    label.setWeight(QFont::DemiBold);
    painter.setFont(label);
    painter.setPen(t.dim);
    const qreal labelHeight = QFontMetricsF(label).height();
    painter.drawText(inner, Qt::AlignLeft | Qt::AlignTop, m_label.toUpper());

    painter.setFont(typeFont(Type::Number));
    const qreal numberHeight = QFontMetricsF(painter.font()).height();
    painter.setPen(m_value.isEmpty() ? t.faint : t.text);
    drawTabular(painter, QRectF(inner.left(), inner.top() + labelHeight + 2, inner.width(), numberHeight), Qt::AlignLeft | Qt::AlignTop,
                m_value.isEmpty() ? QStringLiteral("–") : m_value);

    painter.setFont(typeFont(Type::Small));
    painter.setPen(t.dim);
    const QRectF note(inner.left(), inner.top() + labelHeight + 2 + numberHeight, inner.width(),
                      inner.bottom() - inner.top() - labelHeight - numberHeight);
    painter.drawText(note, Qt::AlignLeft | Qt::AlignTop | Qt::TextWordWrap, m_note);
}

EmptyNote::EmptyNote(const QString& title, const QString& text, QWidget* parent)
    : QWidget(parent), m_title(new QLabel(this)), m_text(new QLabel(this)), m_button(new QPushButton(this))
{
    auto* column = new QVBoxLayout(this);
    column->setSpacing(metric::kGap);
    column->addStretch(1);
    m_title->setFont(typeFont(Type::Heading));
    m_title->setAlignment(Qt::AlignCenter);
    m_text->setAlignment(Qt::AlignCenter);
    m_text->setWordWrap(true);
    m_text->setProperty("role", "dim");
    m_button->setObjectName(QStringLiteral("emptyAction"));
    column->addWidget(m_title);
    column->addWidget(m_text);
    column->addSpacing(metric::kGrid);
    column->addWidget(m_button, 0, Qt::AlignHCenter);
    column->addStretch(1);
    connect(m_button, &QPushButton::clicked, this, &EmptyNote::actionRequested);
    setText(title, text);
    setAction({});
}

void EmptyNote::setText(const QString& title, const QString& text)
{
    m_title->setText(title);
    m_title->setVisible(!title.isEmpty());
    m_text->setText(text);
    setAccessibleName(title.isEmpty() ? text : title);
}

void EmptyNote::setAction(const QString& label, bool primary)
{
    m_button->setText(label);
    m_button->setAccessibleName(label);
    m_button->setProperty("primary", primary);
    m_button->setVisible(!label.isEmpty());
}

NumberLabel::NumberLabel(const QString& text, QWidget* parent) : QWidget(parent)
{
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Preferred);
    setText(text);
}

void NumberLabel::setText(const QString& text)
{
    if (text == m_text)
        return;
    const bool resized = sizeHint().width() != static_cast<int>(std::ceil(tabularWidth(font(), text)));
    m_text = text;
    setAccessibleName(text);
    if (resized)
        updateGeometry();
    update();
}

void NumberLabel::setDim(bool dim)
{
    m_dim = dim;
    update();
}

QSize NumberLabel::sizeHint() const
{
    return {static_cast<int>(std::ceil(tabularWidth(font(), m_text))), fontMetrics().height()};
}

void NumberLabel::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setPen(m_dim ? tokens(palette()).dim : palette().color(QPalette::WindowText));
    drawTabular(painter, rect(), Qt::AlignLeft | Qt::AlignVCenter, m_text);
}

} // namespace espalier::widgets
