// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/generation/painter.h"
#include "core/parallel/crew.h"
#include "core/runs/run_writer.h"

#include <string>
#include <utility>
#include <vector>

namespace espalier::generation {

/// Sample grids of a training: the same seeds every time, averaged weights, raw ones, or both.
class Previews {
public:
    Previews(Painter& painter, std::vector<std::string> classNames, runs::RunWriter& writer)
        : m_painter(painter), m_classNames(std::move(classNames)), m_writer(writer)
    {
    }

    /// Draws the grids of the settings, with the crew, into samples/stage-NN/step-N/ and says so in the events.
    Result<Done> draw(const tensors::TrainState& state, int stage, const config::SamplesConfig& samples, parallel::Crew& crew,
                      const Progress& progress, std::stop_token stop);

private:
    Painter& m_painter;
    const std::vector<std::string> m_classNames;
    runs::RunWriter& m_writer;
};

} // namespace espalier::generation
