// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// How the window names the stages of a run: as people count them, from 1. Plans, folders, events and the command line count from 0; where
// somebody may carry a stage from here to there, the window shows the option with its number.

#include <QString>

#include <string_view>

namespace espalier::widgets {

/// "Stage 1" for the stage of index 0.
QString stageTitle(int index);
/// The same by what it is where its id tells: "Meta model", "Module 0", counted as published, and "Assembled"; else "Stage 1".
QString stageTitle(std::string_view id, int index);
/// "--at-stage 0": the same stage on the command line.
QString stageOption(int index);
/// What to say below a stage so that nobody takes the wrong one: "On the command line: --at-stage 0".
QString stageOnCommandLine(int index);

/// A sentence of the core, whose stages are counted from 0, as the window says it: "stage 0" and "stage stage-00" become "stage 1".
/// `first` is the index of the first stage that it names; -1 where it names none.
QString countedFromOne(const QString& sentence, int* first = nullptr);

} // namespace espalier::widgets
