// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/evaluation/classifier_test.h"
#include "core/runs/confusion.h"
#include "core/runs/events.h"

#include <string>
#include <vector>

namespace espalier::evaluation {

/// What a score rests on.
struct ClassifierRecipe {
    std::string weights; // "ema", "raw" …
    std::string images;  // "test", or the folder
    double cropRatio = 1.0;
    std::int64_t side = 0;
};

/// The event that a score becomes: top-1 with its chance level, and beside it top-5 and the loss.
runs::Evaluated classifierEvent(const ClassifierScore& score, const ClassifierRecipe& recipe, std::int64_t step, int stage);
/// `names`: of the classes; numbers stand for names that are missing.
runs::Confusion confusionOf(const ClassifierScore& score, const std::vector<std::string>& names);

} // namespace espalier::evaluation
