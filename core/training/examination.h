// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/dataset.h"
#include "core/evaluation/inception_file.h"
#include "core/generation/evaluation_set.h"
#include "core/generation/painter.h"
#include "core/parallel/crew.h"
#include "core/runs/events.h"
#include "core/runs/run_writer.h"
#include "core/tensors/state.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace espalier::training {

/// Measures the weights of a running training. What it compares with is made when first needed.
class Examination {
public:
    virtual ~Examination() = default;

    struct Call {
        const tensors::TrainState& state;
        int stage = 0;
        const config::EvaluationConfig& settings;
        bool asked = false; // by a person: also what takes longer
        bool last = false;  // the run ends
    };
    struct Outcome {
        runs::Evaluated event; // its first number; `seconds` is left to the caller
        std::vector<std::pair<std::string_view, double>> curves;
    };
    /// Rank 0, with the help of the others.
    virtual Result<Outcome> measure(const Call& call, parallel::Crew& crew, std::stop_token now) = 0;
    /// The others: what they do of that.
    virtual Result<parallel::Crew::Work> workFor(const Json& ask, const tensors::TrainState& state, std::stop_token now) = 0;
};

/// What the images are and what hears that it goes on.
struct ExaminationParts {
    std::shared_ptr<const data::Dataset> train, test; // `test` may be missing
    at::Device device;
    int ranks = 1; // that share the work
    std::function<void()> tick;
};

/// Draws images and measures how far they are from real ones: FD, or FID where the Inception network is given.
std::unique_ptr<Examination> examineDrawings(ExaminationParts parts, generation::Painter& painter,
                                             const std::optional<evaluation::InceptionFile>& inception);

/// Shows a classifier the test split: top-1 and top-5 accuracy and loss; when asked and at the end also the confusion
/// matrix, as a file of the run.
std::unique_ptr<Examination> examineClassifier(ExaminationParts parts, const config::RunConfig& config, runs::RunFolder folder);

} // namespace espalier::training
