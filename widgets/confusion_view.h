// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/confusion.h"

#include <QWidget>

#include <optional>

namespace espalier::widgets {

/// A confusion matrix: rows are the true classes, columns what they were taken for. A cell is as dark as its share of its row; under the
/// pointer it says its numbers.
class ConfusionView : public QWidget {
    Q_OBJECT

public:
    explicit ConfusionView(QWidget* parent = nullptr);

    void setConfusion(runs::Confusion confusion);
    QSize sizeHint() const override;
    /// "12 of 100 images of moths were taken for butterflies."; empty outside the cells.
    QString sentenceAt(const QPoint& position) const;
    /// Where a cell is painted.
    QRectF cellRect(std::size_t truth, std::size_t predicted) const;

protected:
    void paintEvent(QPaintEvent* event) override;
    bool event(QEvent* event) override;

private:
    struct Cell {
        std::size_t truth, predicted;
    };
    std::optional<Cell> cellAt(const QPoint& position) const;
    QRectF matrixRect() const;
    bool namesFit() const;
    std::int64_t rowTotal(std::size_t truth) const;
    double share(std::size_t truth, std::size_t predicted) const;

    runs::Confusion m_confusion;
};

} // namespace espalier::widgets
