// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace espalier::config {

struct RunConfig;

/// A starting point for a run, from resources/presets/<id>.json, compiled into the program.
struct Preset {
    std::string id;      // an interface: "demo"
    std::string title;   // "Demo: two minutes on a CPU"
    std::string summary; // one or two sentences
    Json overlay;        // settings that differ from the defaults
};

const std::vector<Preset>& presets();
Result<Preset> findPreset(std::string_view id);

/// configs/*.json of the DDPM baseline (ddpm-baseline.md section 6.8) as an overlay; an unknown field is an error that names it.
Result<Json> importDdpmTorch(const Json& published);
/// The other way: a run of an unconditional U-Net in the form of that file, which says as much as it can and from which importDdpmTorch()
/// makes the same network and process. The message says what that code does not have.
Result<Json> exportDdpmTorch(const RunConfig& run);

} // namespace espalier::config
