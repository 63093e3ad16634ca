// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QFont>
#include <QIcon>
#include <QPalette>
#include <QString>

#include <array>

class QApplication;
class QPainter;
class QRectF;

namespace espalier::widgets {

enum class Scheme { Light, Dark };

/// Every colour of the window. Paint with these and nothing else.
struct Tokens {
    Scheme scheme;
    QColor window, panel, card, line;      // backgrounds from back to front; hairlines
    QColor text, dim, faint;               // text; secondary text; disabled text and empty tracks
    QColor accent, softAccent, onAccent;   // the green, its tint, text on it
    QColor hover, selection;               // rows and buttons under the pointer; the chosen row
    QColor search, second, failure, pause; // searches; second series; failures; paused runs
    std::array<QColor, 8> series;          // Okabe–Ito in our order: stable per run
};

/// The tokens that go with a widget's palette: `tokens(palette())` in any paintEvent follows a change of scheme by itself.
const Tokens& tokens(const QPalette& palette);
const Tokens& tokens(Scheme scheme);

/// One radius, one grid of 4 pixels, hairlines.
namespace metric {
inline constexpr int kGrid = 4;
inline constexpr int kGap = 8;          // between controls
inline constexpr int kCardGap = 12;     // between cards
inline constexpr int kCardPadding = 12; // inside a card
inline constexpr int kPageMargin = 16;  // around a page
inline constexpr int kRadius = 8;
inline constexpr int kControlHeight = 30;
// Lanes and plots of a page share these, so that their x-axes agree to the pixel.
inline constexpr int kPlotLeft = 52;
inline constexpr int kPlotRight = 28;
} // namespace metric

/// Steps of the type scale around the system's font size.
enum class Type { Small, Body, Strong, Heading, Title, Number };
QFont typeFont(Type type);

/// Fusion, palette, font and style sheet for the whole program; call again to change the scheme.
void applyTheme(QApplication& app, Scheme scheme);
/// What the system's palette says; a desktop portal may correct it later (SchemeWatcher).
Scheme schemeOf(const QPalette& palette);

/// resources/icons/<name>.svg, drawn in the text colour of the scheme, sharp at any scale, dimmed when disabled.
QIcon themedIcon(const QString& name, const QPalette& palette);
QIcon themedIcon(const QString& name, const QColor& colour, const QColor& disabled);

/// Text whose digits all take the width of the widest one, so that changing numbers do not dance.
/// Draws in the painter's font and pen; returns the width.
qreal drawTabular(QPainter& painter, const QRectF& area, Qt::Alignment alignment, const QString& text);
qreal tabularWidth(const QFont& font, const QString& text);

/// A rounded rectangle with a crisp hairline, the shape of every card and field.
void drawRounded(QPainter& painter, const QRectF& area, const QColor& fill, const QColor& line, qreal radius = metric::kRadius);
/// A rounded label; returns its width. `area` gives left edge and height.
qreal drawChip(QPainter& painter, const QRectF& area, const QString& text, const QColor& fill, const QColor& ink);
/// Diagonal hatching for what is only forecast.
QBrush hatch(const QColor& ink, const QColor& ground, qreal devicePixelRatio);

} // namespace espalier::widgets
