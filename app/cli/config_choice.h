// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/config/run_config.h"

#include <optional>
#include <string>
#include <vector>

namespace espalier::cli {

/// What the command line says about a run's configuration.
struct ConfigChoice {
    std::string preset, file;             // at most one of them
    std::vector<std::string> assignments; // "training.steps=80", in order
    std::string devices;
    std::string init; // what init.from shall be
    // Of an assembled schedule: the phase alone, the one module of MT, where meta model and modules come from.
    std::string phase, meta;
    std::vector<std::string> modules;
    std::optional<int> module;

    bool namesBase() const { return !preset.empty() || !file.empty(); }
    bool assembles() const { return !phase.empty() || !meta.empty() || !modules.empty() || module; }
    bool empty() const { return !namesBase() && assignments.empty() && devices.empty() && init.empty() && !assembles(); }
    /// "demo", or the file's name: what a new run is called after.
    std::string stem() const;
};

/// The whole configuration: preset or file (else `base`, the settings of an existing run, else the defaults) with the settings laid over.
/// Relative paths of data become absolute, since the worker works elsewhere.
Result<config::RunConfig> resolveConfig(const ConfigChoice& choice, const Json* base = nullptr);

/// Reads "--training.steps=80", "--seed 3" and the like from what was left over on the command line.
Result<std::vector<std::string>> settingFlags(const std::vector<std::string>& rest);

} // namespace espalier::cli
