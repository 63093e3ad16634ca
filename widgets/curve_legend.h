// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/plot_view.h"

#include <QWidget>

#include <set>
#include <string>
#include <vector>

class QHBoxLayout;
class QToolButton;

namespace espalier::widgets {

/// "loss/train" → "Loss": curves as people call them.
QString curveTitle(const std::string& tag);

/// The names of several curves of one plot, each with its colour: click one to hide its curve and again to show it. Hidden while there is
/// one curve only.
class CurveLegend : public QWidget {
    Q_OBJECT
public:
    explicit CurveLegend(QWidget* parent = nullptr);
    /// Curves of one tag: that of the run itself, and those of stages that stand beside others.
    void setCurves(const std::vector<CurveView>& curves);
    /// Those that are not hidden, as a plot takes them.
    std::vector<PlotView::Curve> shown(const std::vector<CurveView>& curves) const;

Q_SIGNALS:
    void changed(); // what is hidden

private:
    struct Entry {
        std::string branch; // "": the run itself
        QString title;
        int module = -1, colour = 0;
        bool operator==(const Entry&) const = default;
    };
    static Entry entryOf(const CurveView& curve);
    void rebuild();
    void showIcons();
    void changeEvent(QEvent* event) override;

    std::vector<Entry> m_entries;
    std::vector<QToolButton*> m_buttons;
    std::set<std::string> m_hidden;
    QHBoxLayout* m_row;
};

} // namespace espalier::widgets
