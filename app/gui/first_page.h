// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

namespace espalier::gui {

/// What an empty library shows: the demo as one big button, and a folder of runs to open.
class FirstPage : public QWidget {
    Q_OBJECT
public:
    explicit FirstPage(QWidget* parent = nullptr);

Q_SIGNALS:
    void demoRequested();
    void openRequested();
};

} // namespace espalier::gui
