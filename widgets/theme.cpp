// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/theme.h"

#include "widgets/style_sheet.h"

#include <QApplication>
#include <QFile>
#include <QFontDatabase>
#include <QFontInfo>
#include <QFontMetricsF>
#include <QIconEngine>
#include <QPainter>
#include <QPainterPath>
#include <QStyleFactory>
#include <QSvgRenderer>

#include <algorithm>

static void loadIcons()
{
    Q_INIT_RESOURCE(icons); // has to stand outside of namespaces
}

namespace espalier::widgets {
namespace {

const Tokens kLight{Scheme::Light,
                    QColor(0xf4f5f3),
                    QColor(0xfbfbfa),
                    QColor(0xffffff),
                    QColor(0xdcdfdb),
                    QColor(0x1c2321),
                    QColor(0x66706c),
                    QColor(0xa9b0ac),
                    QColor(0x2e8b57),
                    QColor(0xd5eadd),
                    QColor(0xffffff),
                    QColor(0xeceeeb),
                    QColor(0xe6eee8),
                    QColor(0xb9770e),
                    QColor(0x0072b2),
                    QColor(0xd55e00),
                    QColor(0x0072b2),
                    {QColor(0x2e8b57), QColor(0x0072b2), QColor(0xd55e00), QColor(0xcc79a7), QColor(0xb9770e), QColor(0x56b4e9),
                     QColor(0x6b4fa0), QColor(0x7a7f3a)}};
const Tokens kDark{Scheme::Dark,
                   QColor(0x15181a),
                   QColor(0x1b1f22),
                   QColor(0x202529),
                   QColor(0x2e353a),
                   QColor(0xe6eaec),
                   QColor(0x93a0a8),
                   QColor(0x5c666d),
                   QColor(0x4fb477),
                   QColor(0x26463a),
                   QColor(0x0d1811),
                   QColor(0x2a3035),
                   QColor(0x29322f),
                   QColor(0xe0a64b),
                   QColor(0x5aa9e6),
                   QColor(0xf07a2a),
                   QColor(0x5aa9e6),
                   {QColor(0x4fb477), QColor(0x5aa9e6), QColor(0xf07a2a), QColor(0xd890b8), QColor(0xe0a64b), QColor(0x8fd0f5),
                    QColor(0xa78fdb), QColor(0xb9bf6a)}};

QPalette paletteFor(const Tokens& t)
{
    QPalette p;
    p.setColor(QPalette::Window, t.window);
    p.setColor(QPalette::WindowText, t.text);
    p.setColor(QPalette::Base, t.card);
    p.setColor(QPalette::AlternateBase, t.panel);
    p.setColor(QPalette::Text, t.text);
    p.setColor(QPalette::Button, t.card);
    p.setColor(QPalette::ButtonText, t.text);
    p.setColor(QPalette::BrightText, t.failure);
    p.setColor(QPalette::Highlight, t.softAccent);
    p.setColor(QPalette::HighlightedText, t.text);
    p.setColor(QPalette::Link, t.accent);
    p.setColor(QPalette::LinkVisited, t.accent);
    p.setColor(QPalette::PlaceholderText, t.dim);
    p.setColor(QPalette::ToolTipBase, t.card);
    p.setColor(QPalette::ToolTipText, t.text);
    p.setColor(QPalette::Light, t.card);
    p.setColor(QPalette::Midlight, t.panel);
    p.setColor(QPalette::Mid, t.line);
    p.setColor(QPalette::Dark, t.line);
    p.setColor(QPalette::Shadow, t.line);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
        p.setColor(QPalette::Disabled, role, t.faint);
    return p;
}

/// The font that the desktop asks for, read once before we replace it.
const QFont& systemFont()
{
    static const QFont kFont = QFontDatabase::systemFont(QFontDatabase::GeneralFont);
    return kFont;
}

int bodyPixels()
{
    return std::max(13, QFontInfo(systemFont()).pixelSize());
}

QString family()
{
    static const QString kFamily =
        QFontDatabase::families().contains(QStringLiteral("Inter")) ? QStringLiteral("Inter") : QFontInfo(systemFont()).family();
    return kFamily;
}

/// Renders one SVG in one colour at whatever size and scale is asked for.
class SvgIconEngine : public QIconEngine {
public:
    SvgIconEngine(QByteArray source, QColor colour, QColor disabled)
        : m_source(std::move(source)), m_colour(std::move(colour)), m_disabled(std::move(disabled))
    {
    }
    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State) override
    {
        auto svg = m_source;
        svg.replace("currentColor", (mode == QIcon::Disabled ? m_disabled : m_colour).name().toLatin1());
        QSvgRenderer(svg).render(painter, rect);
    }
    QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State state) override { return scaledPixmap(size, mode, state, 1.0); }
    QPixmap scaledPixmap(const QSize& size, QIcon::Mode mode, QIcon::State state, qreal) override
    {
        QPixmap pixmap(size);
        pixmap.fill(Qt::transparent);
        QPainter painter(&pixmap);
        paint(&painter, QRect(QPoint(), size), mode, state);
        return pixmap;
    }
    QIconEngine* clone() const override { return new SvgIconEngine(m_source, m_colour, m_disabled); }

private:
    QByteArray m_source;
    QColor m_colour, m_disabled;
};

} // namespace

const Tokens& tokens(Scheme scheme)
{
    return scheme == Scheme::Dark ? kDark : kLight;
}

const Tokens& tokens(const QPalette& palette)
{
    // Style sheets replace Window, Base and Text of single widgets, never this one.
    return tokens(palette.color(QPalette::Mid).lightness() < 128 ? Scheme::Dark : Scheme::Light);
}

Scheme schemeOf(const QPalette& palette)
{
    return palette.color(QPalette::Window).lightness() < 128 ? Scheme::Dark : Scheme::Light;
}

QFont typeFont(Type type)
{
    const int body = bodyPixels();
    QFont f(family());
    f.setPixelSize(body);
    f.setHintingPreference(QFont::PreferNoHinting);
    switch (type) {
    case Type::Small:
        f.setPixelSize(body - 2);
        break;
    case Type::Body:
        break;
    case Type::Strong:
        f.setWeight(QFont::DemiBold);
        break;
    case Type::Heading:
        f.setPixelSize(body + 2);
        f.setWeight(QFont::DemiBold);
        break;
    case Type::Title:
        f.setPixelSize(body + 6);
        f.setWeight(QFont::DemiBold);
        break;
    case Type::Number:
        f.setPixelSize(body + 8);
        f.setWeight(QFont::DemiBold);
        break;
    }
    return f;
}

void applyTheme(QApplication& app, Scheme scheme)
{
    loadIcons();
    systemFont();
    const auto& t = tokens(scheme);
    if (app.styleSheet().isEmpty())
        app.setStyle(QStyleFactory::create(QStringLiteral("Fusion")));
    app.setPalette(paletteFor(t));
    app.setFont(typeFont(Type::Body));
    app.setStyleSheet(styleSheet(t, bodyPixels()));
}

QIcon themedIcon(const QString& name, const QColor& colour, const QColor& disabled)
{
    loadIcons();
    QFile file(QStringLiteral(":/icons/%1.svg").arg(name));
    if (!file.open(QIODevice::ReadOnly))
        return {};
    return QIcon(new SvgIconEngine(file.readAll(), colour, disabled));
}

QIcon themedIcon(const QString& name, const QPalette& palette)
{
    const auto& t = tokens(palette);
    return themedIcon(name, t.text, t.faint);
}

qreal tabularWidth(const QFont& font, const QString& text)
{
    const QFontMetricsF metrics(font);
    const qreal digit = metrics.horizontalAdvance(QLatin1Char('0'));
    qreal width = 0;
    for (const QChar c : text)
        width += c.isDigit() ? digit : metrics.horizontalAdvance(c);
    return width;
}

qreal drawTabular(QPainter& painter, const QRectF& area, Qt::Alignment alignment, const QString& text)
{
    const QFontMetricsF metrics(painter.font());
    const qreal digit = metrics.horizontalAdvance(QLatin1Char('0'));
    const qreal width = tabularWidth(painter.font(), text);
    qreal x = area.left();
    if (alignment & Qt::AlignRight)
        x = area.right() - width;
    else if (alignment & Qt::AlignHCenter)
        x = area.center().x() - width / 2;
    qreal y = area.center().y() + (metrics.ascent() - metrics.descent()) / 2;
    if (alignment & Qt::AlignTop)
        y = area.top() + metrics.ascent();
    else if (alignment & Qt::AlignBottom)
        y = area.bottom() - metrics.descent();
    // Runs of other characters are drawn whole, so that kerning stays; digits are centred in their cells.
    for (qsizetype i = 0; i < text.size();) {
        if (text[i].isDigit()) {
            painter.drawText(QPointF(x + (digit - metrics.horizontalAdvance(text[i])) / 2, y), text.mid(i, 1));
            x += digit;
            ++i;
            continue;
        }
        qsizetype end = i;
        qreal run = 0;
        while (end < text.size() && !text[end].isDigit())
            run += metrics.horizontalAdvance(text[end++]);
        painter.drawText(QPointF(x, y), text.mid(i, end - i));
        x += run;
        i = end;
    }
    return width;
}

void drawRounded(QPainter& painter, const QRectF& area, const QColor& fill, const QColor& line, qreal radius)
{
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(line.isValid() ? QPen(line, 1) : QPen(Qt::NoPen));
    painter.setBrush(fill.isValid() ? QBrush(fill) : QBrush(Qt::NoBrush));
    const qreal inset = line.isValid() ? 0.5 : 0;
    painter.drawRoundedRect(area.adjusted(inset, inset, -inset, -inset), radius, radius);
    painter.restore();
}

qreal drawChip(QPainter& painter, const QRectF& area, const QString& text, const QColor& fill, const QColor& ink)
{
    const qreal width = tabularWidth(painter.font(), text) + 3 * metric::kGrid * 2;
    const QRectF chip(area.left(), area.top(), width, area.height());
    drawRounded(painter, chip, fill, QColor());
    painter.setPen(ink);
    drawTabular(painter, chip, Qt::AlignCenter, text);
    return width;
}

QBrush hatch(const QColor& ink, const QColor& ground, qreal devicePixelRatio)
{
    constexpr int kSide = 8;
    QPixmap tile(QSize(kSide, kSide) * devicePixelRatio);
    tile.setDevicePixelRatio(devicePixelRatio);
    tile.fill(ground);
    QPainter painter(&tile);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(ink, 1));
    for (int shift = -kSide; shift <= kSide; shift += kSide)
        painter.drawLine(QPointF(shift, kSide), QPointF(shift + kSide, 0));
    painter.end();
    return QBrush(tile);
}

} // namespace espalier::widgets
