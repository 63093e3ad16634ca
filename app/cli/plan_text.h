// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <cstdint>
#include <string>

namespace espalier::cli {

/// The stages of a plan for people, a line for each, with the costs that were forecast and, once they are known, the actual ones, and a
/// table for each search. Lines end in newlines. `images`: of the set; 0: not known.
std::string planText(const plan::Plan& plan, const config::RunConfig& config, std::int64_t images = 0);
/// The same as an array of stages.
Json planDocument(const plan::Plan& plan, const config::RunConfig& config, std::int64_t images = 0);

/// How many stages of branches train at once and what follows for the time that the run takes; null for a plan without branches.
Json sideBySideDocument(const plan::Plan& plan, const config::RunConfig& config, std::int64_t images = 0);

/// The candidates of the search for a stage with their scores, a line each; empty where nothing was measured.
std::string searchText(const plan::Plan& plan, const plan::Stage& stage, const config::RunConfig& config);
/// {"complete", "candidates": […]}; null where nothing was measured.
Json searchDocument(const plan::Plan& plan, const plan::Stage& stage, const config::RunConfig& config);

} // namespace espalier::cli
