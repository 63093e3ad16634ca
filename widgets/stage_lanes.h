// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/run_values.h"

#include <QWidget>

namespace espalier::widgets {

class TimeAxis;

/// The schedule as blocks over the axis that it shares with the plots: filled as trained, tinted while training, hatched as forecast.
/// At the right stands what the schedule costs. Click a block to zoom there, double-click to see all.
class StageLanes : public QWidget {
    Q_OBJECT
public:
    explicit StageLanes(TimeAxis* axis, QWidget* parent = nullptr);

    void setBlocks(const std::vector<BlockView>& blocks);
    /// "SCHEDULE  plain · 1 stage · 50 000 steps" and two lines at the right.
    void setWords(const QString& schedule, const QString& forecast, const QString& detail);
    void setTraining(bool training); // whether the mark of now is live
    /// Left and right end of the plots' axis in this widget's x, to the pixel.
    void setSpan(int left, int right);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;
    bool event(QEvent* event) override;

Q_SIGNALS:
    void blockClicked(int index);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    qreal pixelOf(double x) const;
    double valueAt(qreal pixel) const;
    QRectF laneArea() const;
    const BlockView* blockAt(const QPointF& position) const;
    void paintBlock(QPainter& painter, const BlockView& block) const;
    void paintAxis(QPainter& painter) const;

    TimeAxis* m_axis;
    std::vector<BlockView> m_blocks;
    QString m_schedule, m_forecast, m_detail;
    int m_left, m_right = 0;
    bool m_training = false;
};

} // namespace espalier::widgets
