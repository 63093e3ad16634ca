// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/config/config.h"

#include <QWidget>

#include <vector>

class QLabel;
class QVBoxLayout;

namespace espalier::widgets {

/// Everything that is wrong, in a list; a click leads to the field. Hidden while nothing is wrong.
class ProblemList : public QWidget {
    Q_OBJECT

public:
    explicit ProblemList(QWidget* parent = nullptr);
    void setProblems(const std::vector<config::Problem>& problems, const QString& extra = {});

Q_SIGNALS:
    void chosen(const QString& path);

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QLabel* m_title;
    QVBoxLayout* m_lines;
};

} // namespace espalier::widgets
