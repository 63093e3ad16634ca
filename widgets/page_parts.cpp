// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/page_parts.h"

#include "widgets/theme.h"

#include <QAbstractButton>
#include <QApplication>
#include <QDateTime>
#include <QEvent>
#include <QIcon>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QStyle>
#include <QToolButton>
#include <QVariant>

#include <cmath>

namespace espalier::widgets {

namespace {

/// Draws a button's icon in the colours of the scheme, now and when it changes.
class IconKeeper : public QObject {
public:
    IconKeeper(QAbstractButton* button, QString name) : QObject(button), m_button(button), m_name(std::move(name))
    {
        setObjectName(QStringLiteral("iconKeeper"));
        button->installEventFilter(this);
        renew();
    }
    void setName(const QString& name)
    {
        if (std::exchange(m_name, name) != name)
            renew();
    }

private:
    bool eventFilter(QObject*, QEvent* event) override
    {
        if (event->type() == QEvent::PaletteChange)
            renew();
        return false;
    }
    // The button's own palette has what the style sheet made of it, such as a transparent ground.
    void renew()
    {
        const auto palette = QApplication::palette();
        const auto& t = tokens(palette);
        const bool primary = m_button->property("primary").toBool();
        m_button->setIcon(primary ? themedIcon(m_name, t.onAccent, t.faint) : themedIcon(m_name, palette));
    }

    QAbstractButton* m_button;
    QString m_name;
};

} // namespace

QLabel* dimLabel(const QString& text, QWidget* parent)
{
    auto* label = new QLabel(text, parent);
    label->setProperty("role", "dim");
    return label;
}

QLabel* errorLabel(QWidget* parent)
{
    auto* label = new QLabel(parent);
    label->setProperty("role", "error");
    label->setWordWrap(true);
    return label;
}

void setFlag(QWidget* widget, const char* property, const QVariant& value)
{
    if (widget->property(property) == value)
        return;
    widget->setProperty(property, value);
    widget->style()->unpolish(widget);
    widget->style()->polish(widget);
    widget->update();
}

QToolButton* headerButton(const QString& objectName, const QString& text, const QString& iconName, QWidget* parent)
{
    auto* button = new QToolButton(parent);
    button->setObjectName(objectName);
    button->setText(text);
    button->setAccessibleName(text);
    button->setToolButtonStyle(iconName.isEmpty() ? Qt::ToolButtonTextOnly : Qt::ToolButtonTextBesideIcon);
    button->setIconSize({14, 14});
    button->setFocusPolicy(Qt::StrongFocus);
    if (!iconName.isEmpty())
        setThemedIcon(button, iconName);
    return button;
}

QPushButton* pushButton(const QString& objectName, const QString& text, QWidget* parent, bool primary)
{
    auto* button = new QPushButton(text, parent);
    button->setObjectName(objectName);
    button->setAccessibleName(text);
    button->setAutoDefault(false);
    if (primary)
        button->setProperty("primary", true);
    return button;
}

QLineEdit* searchField(const QString& objectName, const QString& placeholder, QWidget* parent)
{
    auto* field = new QLineEdit(parent);
    field->setObjectName(objectName);
    field->setAccessibleName(placeholder);
    field->setPlaceholderText(placeholder);
    field->setClearButtonEnabled(true);
    return field;
}

void setThemedIcon(QAbstractButton* button, const QString& name)
{
    if (auto* keeper = button->findChild<QObject*>(QStringLiteral("iconKeeper"), Qt::FindDirectChildrenOnly))
        static_cast<IconKeeper*>(keeper)->setName(name);
    else
        new IconKeeper(button, name);
}

void makePlain(QScrollArea* area)
{
    area->setFrameShape(QFrame::NoFrame);
    area->setWidgetResizable(true);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
}

void setEnabledWithReason(QAbstractButton* button, const QString& whyNot, const QString& tip)
{
    button->setEnabled(whyNot.isEmpty());
    button->setToolTip(whyNot.isEmpty() ? tip : whyNot);
}

QString whenText(double seconds, double now)
{
    if (!(seconds > 0.0))
        return QStringLiteral("–");
    const double ago = now - seconds;
    if (ago >= -60.0 && ago < 60.0)
        return QObject::tr("just now");
    if (ago >= 0.0 && ago < 3600.0)
        return QObject::tr("%1 m ago").arg(static_cast<int>(ago / 60.0));
    const QDateTime then = QDateTime::fromMSecsSinceEpoch(static_cast<qint64>(seconds * 1000.0));
    const QDate today = QDateTime::fromMSecsSinceEpoch(static_cast<qint64>(now * 1000.0)).date();
    if (then.date() == today)
        return then.toString(QStringLiteral("HH:mm"));
    if (then.date() == today.addDays(-1))
        return QObject::tr("yesterday %1").arg(then.toString(QStringLiteral("HH:mm")));
    return then.toString(QStringLiteral("yyyy-MM-dd HH:mm"));
}

QString timeOfDayText(double seconds)
{
    return QDateTime::fromMSecsSinceEpoch(static_cast<qint64>(seconds * 1000.0)).toString(QStringLiteral("HH:mm:ss"));
}

QString metricText(double value)
{
    if (!std::isfinite(value))
        return QStringLiteral("–");
    const double size = std::abs(value);
    return QString::number(value, 'f', size >= 100.0 ? 1 : size >= 10.0 ? 2 : size >= 1.0 ? 3 : 4);
}

} // namespace espalier::widgets
