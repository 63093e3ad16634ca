// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

#include <vector>

namespace espalier::widgets {

/// A stage in the drawing of a schedule.
struct ScheduleBar {
    int index = 0;
    QString title, growth, trains, cost; // "Stage 2", "8 blocks · 24²", "blocks 0–5 train", "3 200 steps · 12 m"
    double length = 1.0;                 // in proportion
    double depth = 1.0, side = 1.0;      // against the largest
    double trained = 1.0;                // share of the blocks
    bool search = false;                 // a supernet
    bool searched = false;               // its size is found without training, at its beginning
    bool wrong = false;
    bool operator==(const ScheduleBar&) const = default;
};

/// A schedule as bars over a common line: up from it the depth, frozen blocks pale; down from it the side of the images. Width is length.
class ScheduleDrawing : public QWidget {
    Q_OBJECT
public:
    explicit ScheduleDrawing(QWidget* parent = nullptr);
    void setBars(std::vector<ScheduleBar> bars);
    const std::vector<ScheduleBar>& bars() const { return m_bars; }
    void setSelected(int index);
    QSize sizeHint() const override { return {400, 172}; }
    QSize minimumSizeHint() const override { return {200, 172}; }
    bool event(QEvent* event) override;

Q_SIGNALS:
    void chosen(int index);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;

private:
    QRectF columnOf(std::size_t place) const; // of a bar with its words
    int placeAt(const QPointF& position) const;

    std::vector<ScheduleBar> m_bars;
    int m_selected = -1;
};

} // namespace espalier::widgets
