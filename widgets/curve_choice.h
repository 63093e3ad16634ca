// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/run_values.h"

#include <optional>
#include <string>
#include <vector>

namespace espalier::widgets {

/// What Watch shows in one plot: one curve, or the curves of all ranks that measure the same.
struct CurveChoice {
    std::string id; // a tag, or "gpu/load", "speed/ranks" for all ranks
    QString title;  // "Loss", "GPU memory, GB"
    std::vector<std::string> tags;
    double scale = 1.0; // what is shown of one unit that was written
    bool ofRanks() const { return tags.size() != 1 || tags.front() != id; }
};

/// The id of the choice that shows how fast each rank could be.
inline constexpr const char* kSpeedOfRanks = "speed/ranks";

/// The choice of this id in a run that has these curves. One that the run does not have asks for its tag all the same.
CurveChoice curveChoice(const std::string& id, const std::map<std::string, runs::ScalarPoint>& curves);
/// Everything that there is to choose: single curves first.
std::vector<CurveChoice> curveChoices(const std::map<std::string, runs::ScalarPoint>& curves);

/// "gpu/rank_2/load" → "Rank 2 · GPU 1", where the run says which GPUs it uses; else "Rank 2".
QString rankTitle(const std::string& tag, const std::string& devices);

/// The rank that all others wait for.
struct Straggler {
    std::string tag;
    double times = 1.0; // as long as the others take: against the median of them
};
/// Of the newest values of speed/rank_<r>; nothing where there is one rank, or all are equally fast.
std::optional<Straggler> slowestRank(const std::map<std::string, runs::ScalarPoint>& curves);

} // namespace espalier::widgets
