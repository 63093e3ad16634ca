// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/stage_outcomes.h"

#include <QWidget>

namespace espalier::widgets {

/// A bar for each stage: how long it trained, searched, drew and measured, and how long its training was forecast to take.
class StageTimes : public QWidget {
    Q_OBJECT
public:
    explicit StageTimes(QWidget* parent = nullptr);
    void setStages(const std::vector<StageOutcome>& stages);
    void setSelected(int index); // of the stage; -1: none
    /// Where the stage at that place stands.
    QRectF rowOf(std::size_t place) const;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {240, sizeHint().height()}; }

Q_SIGNALS:
    void stageClicked(int index);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    struct LegendEntry {
        QString title;
        QColor colour; // invalid: the mark of the forecast
        QPointF at;    // its left end, in the middle
    };
    /// What the bars show, in as many lines as it takes.
    std::vector<LegendEntry> legend() const;
    qreal legendHeight() const;
    qreal numbersWidth() const;
    void paintLegend(QPainter& painter) const;
    void paintBar(QPainter& painter, const StageOutcome& stage, const QRectF& row) const;
    double longest() const;

    std::vector<StageOutcome> m_stages;
    int m_selected = -1;
};

} // namespace espalier::widgets
