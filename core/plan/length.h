// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/training_config.h"

#include <cstdint>
#include <optional>

namespace espalier::plan {

/// How long a stage trains: the first limit reached ends it. Counted from the start of the stage.
struct Length {
    std::optional<std::int64_t> steps;
    std::optional<std::int64_t> images;
    std::optional<double> seconds; // of training: sampling and evaluating do not count
    bool operator==(const Length&) const = default;
};

/// Epochs become images: a pass drops the last partial batch, so it sees floor(dataImages / batch) * batch of them.
Length lengthOf(const config::TrainingConfig& training, std::int64_t dataImages);

bool reached(const Length& length, std::int64_t steps, std::int64_t images, double seconds);
/// Steps after which steps or images end the stage; none when only time does.
std::optional<std::int64_t> stepLimit(const Length& length, std::int64_t globalBatch);
/// How far the stage is, from 0 to 1: the limit that is nearest to its end decides.
double progress(const Length& length, std::int64_t steps, std::int64_t images, double seconds);

} // namespace espalier::plan
