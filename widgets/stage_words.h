// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// How the window names the stages of a run: as people count them, from 1. Plans, folders, events and the command line count from 0; where
// somebody may carry a stage from here to there, the window shows the option with its number.

#include "core/plan/plan.h"

#include <QString>

#include <string_view>
#include <vector>

namespace espalier::widgets {

/// "Stage 1" for the stage of index 0.
QString stageTitle(int index);
/// The same by what it is where its id tells: "Meta model", "Module 1 of 4", or "Module 1" where `modules` says not of how many, and
/// "Assembled"; else "Stage 1".
QString stageTitle(std::string_view id, int index, int modules = 0);
/// "Module 1 of 4" for the module of index 0.
QString moduleTitle(std::int64_t module, int modules = 0);
/// A title within a sentence: "module 1 of 4".
QString inSentence(const QString& title);

/// What the stages of one run are called.
class StageNames {
public:
    StageNames() = default;                      // by their numbers
    explicit StageNames(const plan::Plan* plan); // null: by their numbers
    /// "Stage 2", "Module 1 of 4": of the stage of this index.
    QString of(int index) const;
    QString inSentence(int index) const { return widgets::inSentence(of(index)); }
    /// Whether they have names beyond their numbers: then they are modules, not steps of growth.
    bool named() const { return m_named; }
    bool operator==(const StageNames&) const = default;

private:
    std::vector<QString> m_titles;
    bool m_named = false;
};
/// "--at-stage 0": the same stage on the command line.
QString stageOption(int index);
/// What to say below a stage so that nobody takes the wrong one: "On the command line: --at-stage 0".
QString stageOnCommandLine(int index);

/// A sentence of the core, whose stages are counted from 0, as the window says it: "stage 0" and "stage stage-00" become "stage 1",
/// "module-0" becomes "module 1".
/// `first` is the index of the first stage that it names; -1 where it names none.
QString countedFromOne(const QString& sentence, int* first = nullptr);

} // namespace espalier::widgets
