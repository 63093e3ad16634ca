// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/json.h"

#include <QComboBox>

#include <vector>

namespace espalier::widgets {

/// What the configuration of a run is compared with: nothing, the defaults, a preset or another run.
class CompareBox : public QComboBox {
    Q_OBJECT
public:
    /// A run to compare with; its configuration is asked for when it is chosen.
    struct Run {
        QString id, title;
    };
    explicit CompareBox(QWidget* parent = nullptr);
    void setRuns(const std::vector<Run>& runs);
    bool compares() const { return currentIndex() > 0; }

Q_SIGNALS:
    /// Null: with nothing.
    void compared(const espalier::Json& other);
    void runRequested(const QString& id);

private:
    void choose(int index);
};

} // namespace espalier::widgets
