// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// Small things that every page is made of, so that they look alike.

#include <QString>

class QAbstractButton;
class QIcon;
class QLabel;
class QLineEdit;
class QPushButton;
class QScrollArea;
class QToolButton;
class QVariant;
class QWidget;

namespace espalier::widgets {

/// Secondary text.
QLabel* dimLabel(const QString& text, QWidget* parent = nullptr);
/// Text that says what is wrong.
QLabel* errorLabel(QWidget* parent = nullptr);
/// Sets a property that the style sheet looks at, and has the widget drawn anew if it changed.
void setFlag(QWidget* widget, const char* property, const QVariant& value);

/// A quiet button of a card's header. `icon` is a name in resources/icons, or empty; it follows the scheme.
QToolButton* headerButton(const QString& objectName, const QString& text, const QString& icon, QWidget* parent);
QPushButton* pushButton(const QString& objectName, const QString& text, QWidget* parent, bool primary = false);
QLineEdit* searchField(const QString& objectName, const QString& placeholder, QWidget* parent);
/// An icon of the theme that is drawn anew when the scheme changes.
void setThemedIcon(QAbstractButton* button, const QString& name);
/// No frame, no horizontal bar, the background of what is behind.
void makePlain(QScrollArea* area);

/// Enables a button, or disables it and says why in its tooltip.
void setEnabledWithReason(QAbstractButton* button, const QString& whyNot, const QString& tip = {});

/// "just now", "4 m ago", "yesterday 14:02", "2026-11-03": when something of this wall-clock time (seconds since 1970) happened.
QString whenText(double seconds, double now);
QString timeOfDayText(double seconds);
/// "10.31", "0.1482": four digits that matter; "–" for what is not finite.
QString metricText(double value);

} // namespace espalier::widgets
