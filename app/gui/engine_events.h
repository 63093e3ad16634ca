// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/comparison.h"
#include "core/runs/events.h"
#include "widgets/device_values.h"
#include "widgets/plan_summary.h"
#include "widgets/run_values.h"

#include <QImage>
#include <QString>

#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace espalier::gui {

// What the engine thread says. Values only.
struct LibraryChanged {
    std::filesystem::path library;
    std::vector<runs::RunSummary> changed;
    std::vector<std::filesystem::path> gone;
    bool first = false; // the library was opened: this is everything
};
struct RunChanged {
    widgets::RunView view;
    std::vector<runs::Event> events; // new ones; all of them when `fresh`
    bool fresh = false;
};
struct PlotAnswered {
    widgets::PlotData data;
};
struct GridArrived {
    std::filesystem::path folder;
    QImage image;
    std::optional<runs::SampleEntry> entry;
};
struct MachineChanged {
    widgets::MachineView machine;
};
struct QueueChanged {
    widgets::QueueView queue;
};
struct LogArrived {
    std::filesystem::path folder;
    std::vector<std::string> lines;
    bool fresh = false; // another run: these are its first lines
};
struct ConfigRead {
    std::filesystem::path folder;
    Json config; // null: it cannot be read
};
struct PaceFound {
    std::optional<widgets::Pace> pace;
};
struct CheckpointChecked {
    std::filesystem::path folder;
    std::int64_t step = 0;
    bool good = false;
    QString sentence;
};
/// What runs measured, and what it took them, in the order in which they were asked for.
struct RunsCompared {
    std::vector<std::filesystem::path> folders;
    std::vector<plan::ComparedRun> runs;
    QString problem;
};
struct Launched {
    std::filesystem::path folder;
};
/// What a checkpoint of somebody else is.
struct ForeignInspected {
    std::filesystem::path path;
    Json said;       // of espalier-cli inspect; null when there was none
    QString problem; // why
};
/// Settings out of a file that goes with such a checkpoint.
struct ForeignSettings {
    std::filesystem::path file;
    Json settings; // null when there are none
    QString problem;
};
/// A sentence for the person; trouble stays in sight until it is put away, everything else is a line in the status bar.
struct Said {
    QString text;
    bool trouble = false;
    QString detail;
    QString log = {}; // a file that says more
};
using EngineEvent = std::variant<LibraryChanged, RunChanged, PlotAnswered, GridArrived, MachineChanged, QueueChanged, LogArrived,
                                 ConfigRead, PaceFound, CheckpointChecked, RunsCompared, ForeignInspected, ForeignSettings, Launched, Said>;

} // namespace espalier::gui
