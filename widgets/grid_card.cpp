// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/grid_card.h"

#include "widgets/format.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QMouseEvent>
#include <QPainter>
#include <QStackedLayout>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

GridPicture::GridPicture(QWidget* parent) : QWidget(parent)
{
    setObjectName(QStringLiteral("newestGrid"));
    setAccessibleName(QStringLiteral("Newest samples"));
    setFocusPolicy(Qt::StrongFocus);
    setCursor(Qt::PointingHandCursor);
    setToolTip(QStringLiteral("Open the samples of the whole run"));
    setMinimumSize(80, 80);
}

void GridPicture::setImage(const QImage& image)
{
    m_image = image;
    m_scaled = QImage();
    update();
}

void GridPicture::paintEvent(QPaintEvent*)
{
    if (m_image.isNull())
        return;
    const qreal ratio = devicePixelRatioF();
    const QSize room = size() * ratio;
    QSize wanted = m_image.size().scaled(room, Qt::KeepAspectRatio);
    const int factor = std::min(room.width() / m_image.width(), room.height() / m_image.height());
    if (factor >= 2) // whole factors keep small pictures crisp
        wanted = m_image.size() * factor;
    if (m_scaled.size() != wanted)
        m_scaled = m_image.scaled(wanted, Qt::KeepAspectRatio, factor >= 2 ? Qt::FastTransformation : Qt::SmoothTransformation);
    const QSizeF shown = QSizeF(m_scaled.size()) / ratio;
    const QRectF area(QPointF((width() - shown.width()) / 2, (height() - shown.height()) / 2), shown);
    QPainter painter(this);
    painter.drawImage(area, m_scaled);
    if (hasFocus()) {
        painter.setPen(QPen(tokens(palette()).accent, 1));
        painter.drawRect(area.adjusted(-1.5, -1.5, 0.5, 0.5));
    }
}

void GridPicture::mouseReleaseEvent(QMouseEvent* event)
{
    if (event->button() == Qt::LeftButton && rect().contains(event->pos()))
        Q_EMIT clicked();
}

void GridPicture::keyPressEvent(QKeyEvent* event)
{
    if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Space)
        Q_EMIT clicked();
    else
        QWidget::keyPressEvent(event);
}

QString recipeText(const std::string& weights, const Json& recipe)
{
    QStringList parts;
    if (weights.starts_with("ema"))
        parts << QStringLiteral("EMA") + qstr(weights).mid(3).replace(QLatin1Char(':'), QLatin1Char(' '));
    else if (!weights.empty())
        parts << qstr(weights);
    if (recipe.is_object()) {
        const auto text = [&](const char* key) {
            return recipe.contains(key) && recipe[key].is_string() ? qstr(recipe[key].get<std::string>()) : QString();
        };
        const auto whole = [&](const char* key) {
            return recipe.contains(key) && recipe[key].is_number() ? QString::number(recipe[key].get<double>(), 'g', 10) : QString();
        };
        QString sampler = text("sampler").isEmpty() ? text("kind") : text("sampler");
        if (recipe.contains("sampler") && recipe["sampler"].is_object() && recipe["sampler"].contains("kind") &&
            recipe["sampler"]["kind"].is_string())
            sampler = qstr(recipe["sampler"]["kind"].get<std::string>());
        if (!sampler.isEmpty())
            parts << (whole("steps").isEmpty() ? sampler.toUpper() : sampler.toUpper() + QLatin1Char('-') + whole("steps"));
        if (!whole("seed").isEmpty())
            parts << QStringLiteral("seed ") + whole("seed");
        if (!whole("guidance").isEmpty() && whole("guidance") != QLatin1String("1") && !sampler.contains(QLatin1String("CFG")))
            parts << QStringLiteral("CFG ") + whole("guidance");
    }
    return parts.join(QStringLiteral(" · "));
}

GridCard::GridCard(QWidget* parent) : Card(QStringLiteral("Samples"), parent), m_recipe(new QLabel(this)), m_picture(new GridPicture(this))
{
    setObjectName(QStringLiteral("gridCard"));
    m_recipe->setFont(typeFont(Type::Small));
    m_recipe->setProperty("role", "dim");
    header()->addWidget(m_recipe);
    m_empty = new EmptyNote(QStringLiteral("No samples yet"), QString(), this);
    m_stack = new QStackedLayout;
    m_stack->addWidget(m_empty);
    m_stack->addWidget(m_picture);
    body()->addLayout(m_stack, 1);
    connect(m_picture, &GridPicture::clicked, this, &GridCard::opened);
    connect(m_empty, &EmptyNote::actionRequested, this, &GridCard::sampleRequested);
}

void GridCard::setGrid(const QImage& image, const std::optional<runs::SampleEntry>& entry, const QString& expected)
{
    m_stack->setCurrentIndex(image.isNull() ? 0 : 1);
    m_picture->setImage(image);
    m_empty->setText(QStringLiteral("No samples yet"), expected);
    setTitle(entry ? QStringLiteral("Samples at %1").arg(number(entry->drawn.step)) : QStringLiteral("Samples"));
    m_recipe->setText(entry ? recipeText(entry->drawn.weights, entry->drawn.recipe) : QString());
}

} // namespace espalier::widgets
