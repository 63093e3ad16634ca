// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

#include <vector>

namespace espalier::widgets {

/// Under the title of a plot with a curve for each rank: the line, name and newest value of each. One may be marked, by a sign and a word.
/// What does not fit into two rows is counted; the tooltip has it all.
class RankLegend : public QWidget {
    Q_OBJECT
public:
    struct Entry {
        QString name, value;
        int colour = 0; // place in Tokens::series
        bool dashed = false;
        QString mark = {}; // "slowest, 1.31 × as long": why this one stands out
        bool operator==(const Entry&) const = default;
    };
    explicit RankLegend(QWidget* parent = nullptr);
    /// Takes no room without entries.
    void setEntries(std::vector<Entry> entries);
    const std::vector<Entry>& entries() const { return m_entries; }
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {0, sizeHint().height()}; }

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    struct Place {
        QRectF area;
        std::size_t entry;
    };
    struct Places {
        std::vector<Place> shown;
        int rows = 0;
        QPointF more; // where "and 5 more" stands
        std::size_t hidden = 0;
    };
    Places placesIn(qreal width) const;

    std::vector<Entry> m_entries;
};

} // namespace espalier::widgets
