// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/image_provider.h"

#include <QPointF>
#include <QStringList>
#include <QWidget>

namespace espalier::widgets {

/// One grid to look into: the wheel zooms, dragging pans, a click chooses a cell. Views can be linked to look at the same place.
class GridView : public QWidget {
    Q_OBJECT

public:
    /// Where one looks, independent of the size of widget and picture.
    struct View {
        double zoom = 1.0;        // 1: the whole picture
        QPointF centre{0.5, 0.5}; // in shares of the picture
        bool operator==(const View&) const = default;
    };

    explicit GridView(QWidget* parent = nullptr);

    /// The last picture stays until the next one is there, so that playing does not flicker.
    void setPicture(const QImage& image, const GridCells& cells);
    void setProblem(const QString& sentence);
    /// A word in the corner, such as "A · step 500".
    void setCaption(const QString& text);
    /// What the columns show, left to right; empty: nothing that has a name.
    void setColumnNames(const QStringList& names) { m_columnNames = names; }
    void setSelectedCell(int index);
    int selectedCell() const { return m_selected; }
    const GridCells& cells() const { return m_cells; }

    void setView(const View& view);
    const View& view() const { return m_view; }
    /// Device-independent pixels per pixel of the picture.
    double scale() const;
    QRectF pictureRect() const;
    QPointF toPicture(QPointF position) const;

Q_SIGNALS:
    void viewChanged(const espalier::widgets::GridView::View& view);
    void cellClicked(int index);
    /// The picture was dragged while it is shown whole: it wants to leave the window.
    void dragStarted();

protected:
    void paintEvent(QPaintEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    double fitScale() const;
    void zoomAt(QPointF position, double factor);
    void changeView(View view);

    QImage m_image;
    GridCells m_cells;
    QString m_problem, m_caption;
    QStringList m_columnNames;
    View m_view;
    int m_selected = -1, m_hovered = -1;
    QPointF m_pressed, m_last;
    bool m_dragging = false, m_down = false;
};

} // namespace espalier::widgets
