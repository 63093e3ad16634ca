// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/follower.h"
#include "widgets/image_provider.h"

#include <QStringList>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace espalier::widgets {

/// The grids of a run in the order of their steps, or those of some weights and one stage. Places count what the filter shows.
class SampleSequence {
public:
    void set(const QString& runFolder, std::vector<runs::SampleEntry> samples);
    /// Empty or "*": all weights; -1: all stages.
    void filter(const std::string& weights, int stage);

    int count() const { return static_cast<int>(m_shown.size()); }
    bool empty() const { return m_all.empty(); } // whatever the filter shows
    const runs::SampleEntry& entry(int place) const { return m_all[static_cast<std::size_t>(m_shown[static_cast<std::size_t>(place)])]; }
    std::int64_t stepAt(int place) const { return entry(place).drawn.step; }
    /// The last grid at or before a step; the newest for -1; -1 where there is none.
    int placeOf(std::int64_t step) const;

    /// The last grid of a stage; -1 where there is none.
    int lastOfStage(int stage) const;

    ImageSource source(int place) const;
    std::vector<ImageSource> sources() const;
    /// "12 400"
    QString stepText(int place) const;
    QStringList stepTexts() const;
    /// "<stem>-0012400-ema.png" for each.
    QStringList fileNames(const QString& stem) const;

    std::set<std::string> weights() const; // of all
    std::set<int> stages() const;

private:
    QString m_folder;
    std::vector<runs::SampleEntry> m_all;
    std::vector<int> m_shown; // places in m_all, by step
};

} // namespace espalier::widgets
