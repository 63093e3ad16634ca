// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/image_provider.h"

#include <QAbstractScrollArea>

#include <vector>

namespace espalier::widgets {

/// One picture of the strip.
struct Frame {
    ImageSource source;
    QString label; // "29 400"
    QString tip;
    int stage = 0;
};

/// Thumbnails in a row (grids over the steps) or wrapped into rows (one cell over the steps). Asks only for what is in sight.
class Filmstrip : public QAbstractScrollArea {
    Q_OBJECT

public:
    enum class Flow { Row, Wrapped };
    Filmstrip(ImageProvider* provider, Flow flow, int side, QWidget* parent = nullptr);

    void setFrames(std::vector<Frame> frames);
    /// Shows this cell of every frame instead of the whole; -1: the whole.
    void setCell(int cell);
    /// The frame that is shown large; scrolled into sight.
    void setCurrent(int index);
    /// The frame that is compared with; -1: none.
    void setPinned(int index);
    int current() const { return m_current; }
    int frameAt(QPoint position) const;
    QRect frameRect(int index) const;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

Q_SIGNALS:
    void chosen(int index);
    void pinRequested(int index);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool viewportEvent(QEvent* event) override;

private:
    int columns() const;
    void layOut();
    void showCurrent();

    ImageProvider* m_provider;
    const Flow m_flow;
    const int m_side;
    std::vector<Frame> m_frames;
    int m_cell = -1, m_current = -1, m_pinned = -1, m_hovered = -1, m_pressed = -1;
    QPoint m_pressedAt;
};

/// Starts dragging picture files out of the window.
void dragFiles(QWidget* from, const QStringList& files, const QImage& picture);

} // namespace espalier::widgets
