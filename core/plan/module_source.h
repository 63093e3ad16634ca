// SPDX-License-Identifier: Apache-2.0
#pragma once

// Meta models and modules that an assembled schedule takes from elsewhere: other runs, checkpoints, files of the published code. Only
// names, shapes and what they say of themselves are read.

#include "core/base/result.h"
#include "core/config/run_config.h"
#include "core/plan/division.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace espalier::plan {

struct ModuleSource {
    std::filesystem::path weights; // a checkpoint folder or a file
    shapes::ModelShape shape;
    Division division;        // blocks of its modules; empty where it does not say
    std::int64_t module = -1; // that was trained inside a meta model; -1: none, or it does not say
};
/// Blocks of its modules as far as anything tells them: the shape of a U-Net does.
Division modulesIn(const ModuleSource& source);

/// `from`: a run (the end of its stage `stage`, or its newest checkpoint where it has none of that name), a checkpoint folder, or a file.
Result<ModuleSource> openModuleSource(const std::filesystem::path& from, const StageId& stage);

/// What is asked of a source.
struct ModuleWanted {
    std::string setting;      // that names it, for the sentence
    shapes::ModelShape model; // as wide as this, whatever its depth
    Division division;        // of the network that it lies in
    std::int64_t module = -1; // -1: the meta model
};
/// Usage error in one sentence: another network, another width, another division, another module.
Result<Done> checkModuleSource(const ModuleSource& source, const ModuleWanted& wanted);

/// A stage with everything that its parts take from elsewhere found and checked: PartSource::which names weights then.
Result<Stage> withSources(Stage stage, const config::RunConfig& run);

/// Whether everything is there that a run of this configuration takes from elsewhere for its parts, before it begins.
Result<Done> checkSources(const config::RunConfig& run);

} // namespace espalier::plan
