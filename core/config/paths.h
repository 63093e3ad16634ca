// SPDX-License-Identifier: Apache-2.0
#pragma once

// Paths of settings and the places they name in a configuration. Private to this folder.

#include "core/config/config.h"

#include <string>
#include <string_view>
#include <vector>

namespace espalier::config {

/// Groups that hold alternatives: {"model", "schedule"}.
const std::vector<std::string>& alternativeGroups();
/// Groups in the order of the settings: {"data", "model", …, "training.ema"}.
const std::vector<std::string>& groups();
/// Whether a setting belongs to the kinds of a configuration.
bool applies(const Field& field, const Json& config);
/// What stands at a typed path, or nullptr.
const Json* find(const Json& config, std::string_view typedPath);
/// The sentence for a path that names no setting.
std::string unknownSetting(std::string_view path, const Json& config);

/// The problems of the fields alone.
std::vector<Problem> checkFields(const Json& json);

} // namespace espalier::config
