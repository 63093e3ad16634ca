// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/follower.h"
#include "widgets/card.h"
#include "widgets/stage_words.h"

#include <utility>
#include <vector>

class QGridLayout;
class QLabel;

namespace espalier::widgets {

/// The classes that the columns of a grid show, where its recipe names them.
QStringList columnNames(const runs::SampleEntry& entry);

/// "ema:0.9999" -> "EMA 0.9999".
QString weightsText(const std::string& weights);
bool isAveraged(const std::string& weights);

/// Everything that a grid of samples rests on, and where another one differs.
class GridSettings : public Card {
    Q_OBJECT
public:
    struct Line {
        QString title, text;
        bool operator==(const Line&) const = default;
    };
    explicit GridSettings(QWidget* parent = nullptr);
    /// `other` is the grid beside it, or nothing.
    void show(const runs::SampleEntry* entry, const runs::SampleEntry* other = nullptr);
    /// The lines of one grid: what was drawn, and its recipe without what is said already or only concerns the picture.
    static std::vector<Line> linesOf(const runs::SampleEntry& entry, const StageNames& names = {});
    void setStageNames(const StageNames& names) { m_names = names; }

private:
    void addRow();

    QGridLayout* m_layout;
    std::vector<Line> m_shown;
    std::vector<std::pair<QLabel*, QLabel*>> m_labels; // title and text of each
    StageNames m_names;
};

} // namespace espalier::widgets
