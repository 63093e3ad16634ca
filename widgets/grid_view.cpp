// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/grid_view.h"

#include "widgets/theme.h"

#include <QApplication>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>

namespace espalier::widgets {

namespace {
constexpr double kMaxZoom = 64.0;
}

GridView::GridView(QWidget* parent) : QWidget(parent)
{
    setAccessibleName(tr("Grid of samples"));
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setMinimumSize(120, 120);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
}

void GridView::setPicture(const QImage& image, const GridCells& cells)
{
    m_image = image;
    m_cells = cells;
    m_problem.clear();
    if (m_selected >= cells.count)
        m_selected = -1;
    update();
}

void GridView::setProblem(const QString& sentence)
{
    m_problem = sentence;
    m_image = QImage();
    m_cells = {};
    update();
}

void GridView::setCaption(const QString& text)
{
    if (std::exchange(m_caption, text) != text)
        update();
}

void GridView::setSelectedCell(int index)
{
    if (std::exchange(m_selected, index) != index)
        update();
}

void GridView::setView(const View& view)
{
    if (view == m_view)
        return;
    m_view = view;
    update();
}

double GridView::fitScale() const
{
    if (m_image.isNull())
        return 1.0;
    const double ratio = devicePixelRatioF();
    const double fit = std::min(width() * ratio / m_image.width(), height() * ratio / m_image.height());
    // Whole factors keep all pixels of small samples equally large; below three they would waste too much room.
    return (fit >= 3.0 ? std::floor(fit) : fit) / ratio;
}

double GridView::scale() const
{
    return fitScale() * m_view.zoom;
}

QRectF GridView::pictureRect() const
{
    const QSizeF size = QSizeF(m_image.size()) * scale();
    QPointF at(width() / 2.0 - m_view.centre.x() * size.width(), height() / 2.0 - m_view.centre.y() * size.height());
    const double ratio = devicePixelRatioF();
    at = QPointF(std::round(at.x() * ratio) / ratio, std::round(at.y() * ratio) / ratio);
    return {at, size};
}

QPointF GridView::toPicture(QPointF position) const
{
    const double factor = scale();
    return factor > 0.0 ? (position - pictureRect().topLeft()) / factor : QPointF();
}

void GridView::changeView(View view)
{
    view.zoom = std::clamp(view.zoom, 1.0, kMaxZoom);
    // Never lose the picture: its centre may move as far as its edges come into the middle.
    const double reach = view.zoom > 1.0 ? 0.5 : 0.0;
    view.centre = {std::clamp(view.centre.x(), 0.5 - reach, 0.5 + reach), std::clamp(view.centre.y(), 0.5 - reach, 0.5 + reach)};
    if (view == m_view)
        return;
    setView(view);
    Q_EMIT viewChanged(m_view);
}

void GridView::zoomAt(QPointF position, double factor)
{
    if (m_image.isNull())
        return;
    const QPointF pixel = toPicture(position);
    View next = m_view;
    next.zoom = std::clamp(m_view.zoom * factor, 1.0, kMaxZoom);
    const double scaled = fitScale() * next.zoom;
    // The pixel under the pointer stays there.
    const QPointF centre = pixel + (rect().center() + QPointF(0.5, 0.5) - position) / scaled;
    next.centre = {centre.x() / m_image.width(), centre.y() / m_image.height()};
    changeView(next);
}

void GridView::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const Tokens& t = tokens(palette());
    if (m_image.isNull()) {
        painter.setPen(m_problem.isEmpty() ? t.dim : t.failure);
        painter.drawText(rect().adjusted(16, 16, -16, -16), Qt::AlignCenter | Qt::TextWordWrap,
                         m_problem.isEmpty() ? tr("Reading…") : m_problem);
        return;
    }
    const QRectF target = pictureRect();
    painter.save();
    painter.setClipRect(rect());
    painter.setRenderHint(QPainter::SmoothPixmapTransform, scale() * devicePixelRatioF() < 3.0);
    painter.drawImage(target, m_image);
    const auto outline = [&](int cell, const QColor& colour, double width) {
        const QRect pixels = m_cells.cell(cell);
        if (pixels.isEmpty())
            return;
        const double factor = scale();
        const QRectF area(target.topLeft() + QPointF(pixels.topLeft()) * factor, QSizeF(pixels.size()) * factor);
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(colour, width));
        painter.drawRect(area.adjusted(-width / 2, -width / 2, width / 2, width / 2));
    };
    outline(m_hovered, t.dim, 1);
    outline(m_selected, t.accent, 2);
    painter.restore();
    if (!m_caption.isEmpty()) {
        painter.setFont(typeFont(Type::Small));
        const QFontMetricsF metrics(painter.font());
        const QRectF chip(8, 8, tabularWidth(painter.font(), m_caption) + 16, metrics.height() + 6);
        QColor ground = t.card;
        ground.setAlphaF(0.88f);
        drawRounded(painter, chip, ground, t.line, 6);
        painter.setPen(t.text);
        drawTabular(painter, chip, Qt::AlignCenter, m_caption);
    }
    if (m_view.zoom > 1.0) {
        painter.setFont(typeFont(Type::Small));
        const QString text = tr("%1 ×").arg(QString::number(scale() * devicePixelRatioF(), 'g', 3));
        const QRectF chip(width() - tabularWidth(painter.font(), text) - 24, 8, tabularWidth(painter.font(), text) + 16,
                          QFontMetricsF(painter.font()).height() + 6);
        QColor ground = t.card;
        ground.setAlphaF(0.88f);
        drawRounded(painter, chip, ground, t.line, 6);
        painter.setPen(t.dim);
        drawTabular(painter, chip, Qt::AlignCenter, text);
    }
}

void GridView::wheelEvent(QWheelEvent* event)
{
    if (event->angleDelta().y() == 0)
        return;
    zoomAt(event->position(), std::pow(1.2, event->angleDelta().y() / 120.0));
    event->accept();
}

void GridView::mousePressEvent(QMouseEvent* event)
{
    if (event->button() != Qt::LeftButton)
        return;
    m_down = true;
    m_dragging = false;
    m_pressed = m_last = event->position();
}

void GridView::mouseMoveEvent(QMouseEvent* event)
{
    if (!m_down) {
        const QPointF pixel = toPicture(event->position());
        const int cell = m_cells.at({static_cast<int>(std::floor(pixel.x())), static_cast<int>(std::floor(pixel.y()))});
        if (std::exchange(m_hovered, cell) != cell) {
            const QString name = cell >= 0 && m_cells.columns > 0 ? m_columnNames.value(cell % m_cells.columns) : QString();
            setToolTip(cell < 0 ? QString()
                                : tr("Cell %1%2: click to follow it through time")
                                      .arg(QString::number(cell + 1), name.isEmpty() ? QString() : QStringLiteral(", ") + name));
            update();
        }
        return;
    }
    if (!m_dragging && (event->position() - m_pressed).manhattanLength() < QApplication::startDragDistance())
        return;
    m_dragging = true;
    if (m_view.zoom <= 1.0) {
        m_down = false;
        Q_EMIT dragStarted();
        return;
    }
    setCursor(Qt::ClosedHandCursor);
    const QPointF moved = event->position() - m_last;
    m_last = event->position();
    const QSizeF size = pictureRect().size();
    View next = m_view;
    next.centre -= QPointF(moved.x() / size.width(), moved.y() / size.height());
    changeView(next);
}

void GridView::mouseReleaseEvent(QMouseEvent* event)
{
    unsetCursor();
    if (!std::exchange(m_down, false) || m_dragging || event->button() != Qt::LeftButton)
        return;
    const QPointF pixel = toPicture(event->position());
    if (const int cell = m_cells.at({static_cast<int>(std::floor(pixel.x())), static_cast<int>(std::floor(pixel.y()))}); cell >= 0) {
        setSelectedCell(cell);
        Q_EMIT cellClicked(cell);
    }
}

void GridView::leaveEvent(QEvent*)
{
    m_hovered = -1;
    update();
}

void GridView::keyPressEvent(QKeyEvent* event)
{
    switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal:
        zoomAt(rect().center(), 1.25);
        break;
    case Qt::Key_Minus:
        zoomAt(rect().center(), 0.8);
        break;
    case Qt::Key_0:
        changeView({});
        break;
    default:
        QWidget::keyPressEvent(event); // arrows and space belong to the page
    }
}

} // namespace espalier::widgets
