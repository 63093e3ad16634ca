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
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {240, sizeHint().height()}; }

Q_SIGNALS:
    void stageClicked(int index);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;

private:
    void paintLegend(QPainter& painter) const;
    void paintBar(QPainter& painter, const StageOutcome& stage, const QRectF& row) const;
    double longest() const;
    QRectF rowOf(std::size_t place) const;

    std::vector<StageOutcome> m_stages;
    int m_selected = -1;
};

} // namespace espalier::widgets
