// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/run_values.h"

#include <QWidget>

namespace espalier::widgets {

class Tile;

/// The four numbers of a run: loss, best distance, throughput, learning rate.
class WatchTiles : public QWidget {
    Q_OBJECT
public:
    explicit WatchTiles(QWidget* parent = nullptr);
    void setRun(const RunView& run);

private:
    void showLoss(const RunView& run);
    void showBest(const RunView& run);
    void showThroughput(const RunView& run);
    void showRate(const RunView& run);

    Tile* m_loss;
    Tile* m_best;
    Tile* m_throughput;
    Tile* m_rate;
};

} // namespace espalier::widgets
