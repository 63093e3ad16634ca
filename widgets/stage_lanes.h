// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/run_values.h"

#include <QWidget>

#include <functional>
#include <utility>

class QMenu;
class QToolButton;

namespace espalier::widgets {

class TimeAxis;

/// The schedule as blocks over the axis that it shares with the plots: filled as trained, tinted while training, hatched as forecast.
/// Searches have their own colour; one that takes no steps is a mark of fixed width on the boundary. Stages side by side have a lane each,
/// one below the other, with the mark of its state. At the right stands what the schedule costs. Click a block to zoom there, double-click
/// to see all; the context menu has what can be done with a stage.
class StageLanes : public QWidget {
    Q_OBJECT
public:
    explicit StageLanes(TimeAxis* axis, QWidget* parent = nullptr);

    void setBlocks(const std::vector<BlockView>& blocks);
    /// "SCHEDULE  plain · 1 stage · 50 000 steps" and two lines at the right.
    void setWords(const QString& schedule, const QString& forecast, const QString& detail);
    void setTraining(bool training); // whether the mark of now is live
    /// The stage that is looked at has a frame; -1: none.
    void setSelected(int index);
    int selected() const { return m_selected; }
    /// The stage that is pointed at elsewhere has a frame too; -1: none.
    void setPointed(int index);
    /// Where the block at this place lies in the widget.
    QRectF areaOf(std::size_t place) const;
    /// What can be done with a stage: a menu that its owner fills with actions that work.
    void setMenuOf(std::function<void(QMenu&, const BlockView&)> fill) { m_fillMenu = std::move(fill); }
    /// Left and right end of the plots' axis in this widget's x, to the pixel.
    void setSpan(int left, int right);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;
    bool event(QEvent* event) override;

Q_SIGNALS:
    void blockClicked(int index);
    void searchClicked(int index); // the search for the size of this stage
    /// The button of a lane: start or pause this module alone.
    void moduleRequested(const espalier::widgets::ModuleControl& module);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void showButtons();
    void placeButtons();
    qreal pixelOf(double x) const;
    double valueAt(qreal pixel) const;
    QRectF laneArea() const;
    const BlockView* blockAt(const QPointF& position) const;
    /// The lane of a block: one of several where stages stand side by side.
    QRectF laneOf(const BlockView& block) const;
    int laneCount() const;
    void paintNow(QPainter& painter) const;
    void paintBlock(QPainter& painter, std::size_t place) const;
    void paintWords(QPainter& painter, const BlockView& block, const QRectF& area, qreal edge) const;
    void paintAxis(QPainter& painter) const;

    TimeAxis* m_axis;
    std::vector<BlockView> m_blocks;
    QString m_schedule, m_forecast, m_detail;
    int m_left, m_right = 0;
    bool m_training = false;
    int m_selected = -1, m_pointed = -1;
    std::function<void(QMenu&, const BlockView&)> m_fillMenu;
    std::vector<std::pair<int, QToolButton*>> m_buttons; // of lanes that can be started and paused, behind their ends
};

} // namespace espalier::widgets
