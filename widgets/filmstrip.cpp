// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/filmstrip.h"

#include "widgets/theme.h"

#include <QApplication>
#include <QContextMenuEvent>
#include <QDrag>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMenu>
#include <QMimeData>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>
#include <QUrl>

#include <algorithm>

namespace espalier::widgets {

namespace {
constexpr int kGap = 8, kLabel = 18, kInset = 3;
}

void dragFiles(QWidget* from, const QStringList& files, const QImage& picture)
{
    auto* data = new QMimeData;
    QList<QUrl> urls;
    for (const QString& file : files)
        urls << QUrl::fromLocalFile(file);
    data->setUrls(urls);
    if (files.size() == 1 && !picture.isNull())
        data->setImageData(picture);
    auto* drag = new QDrag(from);
    drag->setMimeData(data);
    if (!picture.isNull())
        drag->setPixmap(QPixmap::fromImage(picture.scaled(96, 96, Qt::KeepAspectRatio, Qt::SmoothTransformation)));
    drag->exec(Qt::CopyAction);
}

Filmstrip::Filmstrip(ImageProvider* provider, Flow flow, int side, QWidget* parent)
    : QAbstractScrollArea(parent), m_provider(provider), m_flow(flow), m_side(side)
{
    setFrameShape(QFrame::NoFrame);
    setMouseTracking(true);
    viewport()->setMouseTracking(true);
    viewport()->setAutoFillBackground(false);
    setFocusPolicy(Qt::StrongFocus);
    setVerticalScrollBarPolicy(flow == Flow::Row ? Qt::ScrollBarAlwaysOff : Qt::ScrollBarAsNeeded);
    setHorizontalScrollBarPolicy(flow == Flow::Row ? Qt::ScrollBarAsNeeded : Qt::ScrollBarAlwaysOff);
    setSizePolicy(QSizePolicy::Expanding, flow == Flow::Row ? QSizePolicy::Fixed : QSizePolicy::Expanding);
    connect(m_provider, &ImageProvider::ready, this, [this] { viewport()->update(); });
}

QSize Filmstrip::sizeHint() const
{
    return {640, m_flow == Flow::Row ? m_side + kLabel + 2 * kInset + 12 : 320};
}

QSize Filmstrip::minimumSizeHint() const
{
    return {160, m_flow == Flow::Row ? sizeHint().height() : m_side + kLabel + 2 * kInset};
}

void Filmstrip::setFrames(std::vector<Frame> frames)
{
    m_frames = std::move(frames);
    m_current = std::min(m_current, static_cast<int>(m_frames.size()) - 1);
    m_pinned = m_pinned < static_cast<int>(m_frames.size()) ? m_pinned : -1;
    m_hovered = m_pressed = -1;
    layOut();
    viewport()->update();
}

void Filmstrip::setCell(int cell)
{
    m_cell = cell;
    viewport()->update();
}

void Filmstrip::setCurrent(int index)
{
    if (m_current == index)
        return;
    m_current = index;
    showCurrent();
    viewport()->update();
}

void Filmstrip::setPinned(int index)
{
    m_pinned = index;
    viewport()->update();
}

int Filmstrip::columns() const
{
    if (m_flow == Flow::Row)
        return std::max<int>(1, static_cast<int>(m_frames.size()));
    return std::max(1, (viewport()->width() + kGap) / (m_side + kGap));
}

QRect Filmstrip::frameRect(int index) const
{
    const int column = index % columns(), row = index / columns();
    return {kInset + column * (m_side + kGap) - horizontalScrollBar()->value(),
            kInset + row * (m_side + kLabel + kGap) - verticalScrollBar()->value(), m_side, m_side + kLabel};
}

int Filmstrip::frameAt(QPoint position) const
{
    const int column = (position.x() - kInset + horizontalScrollBar()->value()) / (m_side + kGap);
    const int row = m_flow == Flow::Row ? 0 : (position.y() - kInset + verticalScrollBar()->value()) / (m_side + kLabel + kGap);
    const int index = row * columns() + column;
    if (column < 0 || column >= columns() || index < 0 || index >= static_cast<int>(m_frames.size()))
        return -1;
    return frameRect(index).contains(position) ? index : -1;
}

void Filmstrip::layOut()
{
    const int count = static_cast<int>(m_frames.size());
    if (m_flow == Flow::Row) {
        const int width = 2 * kInset + count * (m_side + kGap) - kGap;
        horizontalScrollBar()->setRange(0, std::max(0, width - viewport()->width()));
        horizontalScrollBar()->setPageStep(viewport()->width());
        horizontalScrollBar()->setSingleStep(m_side + kGap);
    } else {
        const int rows = (count + columns() - 1) / columns();
        const int height = 2 * kInset + rows * (m_side + kLabel + kGap) - kGap;
        verticalScrollBar()->setRange(0, std::max(0, height - viewport()->height()));
        verticalScrollBar()->setPageStep(viewport()->height());
        verticalScrollBar()->setSingleStep((m_side + kLabel) / 2);
    }
}

void Filmstrip::showCurrent()
{
    if (m_current < 0)
        return;
    const QRect frame = frameRect(m_current);
    QScrollBar* bar = m_flow == Flow::Row ? horizontalScrollBar() : verticalScrollBar();
    const int begin = m_flow == Flow::Row ? frame.left() : frame.top(), end = m_flow == Flow::Row ? frame.right() : frame.bottom();
    const int space = m_flow == Flow::Row ? viewport()->width() : viewport()->height();
    if (begin < kInset || end > space - kInset) // into the middle, so that its neighbours are seen too
        bar->setValue(bar->value() + (begin + end - space) / 2);
}

void Filmstrip::resizeEvent(QResizeEvent*)
{
    layOut();
    showCurrent();
}

void Filmstrip::paintEvent(QPaintEvent*)
{
    QPainter painter(viewport());
    const Tokens& t = tokens(palette());
    painter.setFont(typeFont(Type::Small));
    const QRect visible = viewport()->rect();
    const double ratio = devicePixelRatioF();
    const ImageCut cut = m_cell >= 0 ? ImageCut{0, m_cell} : ImageCut{static_cast<int>(m_side * ratio), -1};
    for (int i = 0; i < static_cast<int>(m_frames.size()); ++i) {
        const QRect frame = frameRect(i);
        if (m_flow == Flow::Row ? frame.left() > visible.right() : frame.top() > visible.bottom())
            break;
        if (!frame.intersects(visible))
            continue;
        const QRect box(frame.left(), frame.top(), m_side, m_side);
        const LoadedImage* loaded = m_provider->get(m_frames[i].source, cut);
        if (loaded && !loaded->image.isNull()) {
            const QSizeF size = QSizeF(loaded->image.size()).scaled(box.size(), Qt::KeepAspectRatio);
            const QRectF target(box.center().x() + 0.5 - size.width() / 2, box.center().y() + 0.5 - size.height() / 2, size.width(),
                                size.height());
            painter.setRenderHint(QPainter::SmoothPixmapTransform, size.width() * ratio < loaded->image.width());
            painter.drawImage(target, loaded->image);
        } else {
            drawRounded(painter, box, t.hover, QColor(), 4);
            if (loaded) { // it cannot be read: a cross, not only a colour
                painter.setPen(QPen(t.failure, 1.5));
                painter.drawLine(box.center() - QPoint(6, 6), box.center() + QPoint(6, 6));
                painter.drawLine(box.center() - QPoint(6, -6), box.center() + QPoint(6, -6));
            }
        }
        if (i == m_current || i == m_pinned || i == m_hovered) {
            painter.setRenderHint(QPainter::Antialiasing);
            painter.setBrush(Qt::NoBrush);
            painter.setPen(QPen(i == m_current ? t.accent : i == m_pinned ? t.second : t.faint, i == m_hovered && i != m_current ? 1 : 2));
            painter.drawRoundedRect(QRectF(box).adjusted(-2, -2, 2, 2), 4, 4);
            painter.setRenderHint(QPainter::Antialiasing, false);
        }
        if (i > 0 && m_frames[i].stage != m_frames[i - 1].stage) // a new stage begins here
            painter.fillRect(QRectF(box.left() - kGap / 2.0 - 0.5, box.top(), 1, m_side + kLabel), t.dim);
        painter.setPen(i == m_current ? t.text : t.dim);
        const QString label = i == m_pinned ? QStringLiteral("A · ") + m_frames[i].label : m_frames[i].label;
        drawTabular(painter, QRectF(frame.left(), box.bottom() + 3, m_side, kLabel - 2), Qt::AlignCenter, label);
    }
}

void Filmstrip::wheelEvent(QWheelEvent* event)
{
    QScrollBar* bar = m_flow == Flow::Row ? horizontalScrollBar() : verticalScrollBar();
    const QPoint delta = event->angleDelta();
    bar->setValue(bar->value() - (m_flow == Flow::Row && delta.x() != 0 ? delta.x() : delta.y()));
    event->accept();
}

void Filmstrip::mousePressEvent(QMouseEvent* event)
{
    m_pressed = event->button() == Qt::LeftButton ? frameAt(event->pos()) : -1;
    m_pressedAt = event->pos();
}

void Filmstrip::mouseMoveEvent(QMouseEvent* event)
{
    if (m_pressed >= 0 && (event->pos() - m_pressedAt).manhattanLength() >= QApplication::startDragDistance()) {
        const LoadedImage* shown = m_provider->peek(m_frames[m_pressed].source, m_cell >= 0 ? ImageCut{0, m_cell} : ImageCut{});
        const QString file = m_frames[m_pressed].source.path;
        m_pressed = -1;
        dragFiles(this, {file}, shown ? shown->image : QImage());
        return;
    }
    if (const int over = frameAt(event->pos()); std::exchange(m_hovered, over) != over)
        viewport()->update();
}

void Filmstrip::mouseReleaseEvent(QMouseEvent* event)
{
    const int pressed = std::exchange(m_pressed, -1);
    if (pressed < 0 || frameAt(event->pos()) != pressed)
        return;
    if (event->modifiers() & Qt::ControlModifier)
        Q_EMIT pinRequested(pressed);
    else
        Q_EMIT chosen(pressed);
}

void Filmstrip::contextMenuEvent(QContextMenuEvent* event)
{
    const int index = event->reason() == QContextMenuEvent::Keyboard ? m_current : frameAt(event->pos());
    if (index < 0)
        return;
    QMenu menu(this);
    QAction* show = menu.addAction(tr("Show"));
    QAction* pin = menu.addAction(tr("Compare with this one (Ctrl+click)"));
    const QAction* chosenAction = menu.exec(event->globalPos());
    if (chosenAction == show)
        Q_EMIT chosen(index);
    else if (chosenAction == pin)
        Q_EMIT pinRequested(index);
}

void Filmstrip::keyPressEvent(QKeyEvent* event)
{
    event->ignore(); // arrows, Home, End and space belong to the page
}

bool Filmstrip::viewportEvent(QEvent* event)
{
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const int index = frameAt(help->pos());
        if (index >= 0)
            QToolTip::showText(help->globalPos(), m_frames[index].tip, this);
        else
            QToolTip::hideText();
        return true;
    }
    if (event->type() == QEvent::Leave && std::exchange(m_hovered, -1) >= 0)
        viewport()->update();
    return QAbstractScrollArea::viewportEvent(event);
}

} // namespace espalier::widgets
