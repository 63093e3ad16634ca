// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/time_spent.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::plan {

/// What runs are held equal in when their results are compared.
enum class Equal { DeviceTime, WallTime, Images };
std::string_view equalText(Equal equal); // "device", "wall", "images"
std::optional<Equal> equalFromText(std::string_view text);

/// An evaluation of a run, and what training up to it had taken.
struct ComparedPoint {
    std::int64_t step = 0;
    double value = 0.0, images = 0.0;
    TimeSpent spent;
    double at(Equal equal) const { return equal == Equal::DeviceTime ? spent.device : equal == Equal::WallTime ? spent.wall : images; }
};
struct ComparedSeries {
    std::string metric, recipe;
    std::vector<ComparedPoint> points; // by step
};
/// A run with all that it measured of the network that it is about. Of an assembled run that is the whole network: what meta model and
/// modules measured is not in it, what they took is.
struct ComparedRun {
    std::string name;
    std::vector<ComparedSeries> series;
    TimeSpent spent;      // all of it
    bool borrows = false; // begins with modules or a meta model of other runs, whose time is not in it
};
ComparedRun comparedRun(const runs::RunFollower& run, const Plan* plan);

/// How one run does against the first.
struct ComparedRow {
    std::optional<ComparedPoint> atEqual; // the newest measured when all have taken as much
    std::optional<ComparedPoint> best;
    std::optional<double> reached; // what it had taken when it was as good as the first run became
    std::optional<double> speedUp; // against the first
};
struct Comparison {
    std::string metric, recipe; // that all have; of several the one that was measured most often
    double equal = 0.0;         // what all have taken
    std::vector<ComparedRow> rows;
};
/// Fails where the runs have no measurement of one recipe in common, in one sentence.
Result<Comparison> compare(const std::vector<ComparedRun>& runs, Equal equal);

} // namespace espalier::plan
