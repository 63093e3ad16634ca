// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// What crosses from the engine thread to the widgets: plain values, copied, never touched by two threads.

#include "core/plan/plan.h"
#include "core/runs/confusion.h"
#include "core/runs/follower.h"
#include "core/runs/library.h"

#include <QMetaType>
#include <QString>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace espalier::widgets {

inline QString qstr(std::string_view text)
{
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

template <class T>
using Shared = std::shared_ptr<const std::vector<T>>;

/// The confusion matrix of one evaluation.
struct ConfusionOfStep {
    std::int64_t step = 0;
    runs::Confusion confusion;
};

/// The chosen run as the window shows it. Lists are shared and replaced as a whole when they change; never null.
struct RunView {
    std::filesystem::path folder;
    std::string name;
    runs::RunState state = runs::RunState::New;
    std::string why, problem;
    std::optional<runs::Failed> failure;
    runs::Progress progress;
    std::map<std::string, runs::Progress, std::less<>> branches; // of stages side by side
    std::vector<runs::BranchStatus> branchStatus;                // the same, as a person sees them, in the order of the plan
    int attempt = 0, ranks = 1;
    int queuePlace = 0;                     // counted from 1, while it waits for devices
    QString queueWhy;                       // "GPU 1 is used by dit-a"
    std::string devices;                    // as the running attempt says: "cpu:2", "0,1"
    Json config;                            // null while unread
    std::shared_ptr<const plan::Plan> plan; // null: there is none, or it cannot be read
    Shared<runs::StageEntry> stages = std::make_shared<std::vector<runs::StageEntry>>();
    Shared<runs::SampleEntry> samples = std::make_shared<std::vector<runs::SampleEntry>>();
    Shared<runs::CheckpointEntry> checkpoints = std::make_shared<std::vector<runs::CheckpointEntry>>();
    Shared<runs::EvaluationEntry> evaluations = std::make_shared<std::vector<runs::EvaluationEntry>>();
    Shared<runs::EvaluationEntry> branchEvaluations = std::make_shared<std::vector<runs::EvaluationEntry>>(); // of stages side by side
    std::shared_ptr<const ConfusionOfStep> confusion; // the newest; null: none was measured
    std::map<std::string, runs::ScalarPoint> last;    // newest point per tag
    std::optional<double> lossPerThousand;            // slope of the loss over the newest tenth of the run, per 1000 steps
    std::optional<double> smoothedLoss;               // mean of the newest points
    bool valid() const { return !folder.empty(); }
};

/// A setting of a run's configuration as it stands in its file; -1 or "" where it is missing or of another kind.
std::int64_t settingNumber(const Json& config, const char* group, const char* key);
QString settingText(const Json& config, const char* group, const char* key);

/// Whether pictures come out of its model; otherwise it tells classes apart.
bool drawsImages(const Json& config);

/// The x of all plots and lanes.
enum class XAxis { Step, Images, TrainingTime, WallTime, Flops };

/// Which piece of which curves the plots show now. x0 >= x1 asks for everything.
struct PlotQuery {
    XAxis axis = XAxis::Step;
    double x0 = 0.0, x1 = 0.0;
    int pixels = 600;
    std::vector<std::string> tags;
    /// Keep the width x1 - x0, but end at the newest point.
    bool live = false;
    friend bool operator==(const PlotQuery&, const PlotQuery&) = default;
};

struct CurveView {
    std::string tag;
    std::string branch;                  // of a stage that stands beside others, whose steps and clocks are its own; "": the run itself
    int module = -1;                     // that trains there
    runs::Envelope envelope;             // x in the asked axis
    std::vector<runs::CurvePoint> means; // for the smoothed line; begins some way before x0
    std::optional<double> breakAfter;    // where others trained next: no line leads from here to the next point
};
struct MarkView {
    double x = 0.0;
    std::string label; // "stage 2", "resumed"
    bool stage = true; // else a note such as a resume
    bool operator==(const MarkView&) const = default;
};
struct DistanceView {
    double x = 0.0, value = 0.0;
    std::int64_t step = 0;
    std::optional<double> spread;
    bool operator==(const DistanceView&) const = default;
};
/// Evaluations of one recipe.
struct DistanceSeries {
    std::string metric, recipe; // "fd"; "FD-1k, EMA, DDIM-50, seed 1"
    std::optional<double> floor, ceiling;
    std::vector<DistanceView> points;
    bool operator==(const DistanceSeries&) const = default;
};
/// What a person can ask of a module that stands beside others.
struct ModuleControl {
    std::int64_t module = -1; // from 0: the option of wishes
    std::string branch;       // the name of its folder
    bool starts = false;      // what its button does now: start it; else pause it
    std::string whyNot;       // why that cannot be asked; empty: it can
    bool operator==(const ModuleControl&) const = default;
};
struct BlockView { // a stage in the lanes
    int index = 0;
    std::string title, detail;
    double x0 = 0.0, x1 = 0.0; // x1 is a forecast until the stage ended
    bool started = false, ended = false;
    bool search = false; // for the size of stage `index`; x0 == x1: it takes no steps and is a mark on the boundary
    std::string id, tip; // of the plan's stage; everything there is to say
    // Of stages that stand side by side.
    int lane = 0, lanes = 1;       // its lane, from the top, of so many
    std::optional<double> reached; // how far it is filled; none: as far as the run came
    runs::RunState state = runs::RunState::New;
    std::optional<ModuleControl> control; // of modules
    bool operator==(const BlockView&) const = default;
};

/// The answer to a PlotQuery.
struct PlotData {
    std::filesystem::path folder;
    PlotQuery query;
    double x0 = 0.0, x1 = 1.0;       // what to show
    double full0 = 0.0, full1 = 1.0; // everything, forecast included
    double now = 0.0;                // how far the run came
    std::vector<CurveView> curves;
    std::vector<MarkView> marks;
    std::vector<DistanceSeries> distances;
    std::vector<BlockView> blocks;
};

} // namespace espalier::widgets

Q_DECLARE_METATYPE(espalier::widgets::PlotQuery)
Q_DECLARE_METATYPE(espalier::widgets::ModuleControl)
