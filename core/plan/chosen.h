// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/plan.h"

namespace espalier::plan {

/// The candidate of its window that a trained stage is; null without a window. Before its search has ended that is only a forecast.
const Candidate* chosenOf(const Stage& stage);

} // namespace espalier::plan
