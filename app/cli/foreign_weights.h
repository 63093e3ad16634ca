// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/formats/weights_file.h"
#include "core/shapes/identify.h"

#include <filesystem>
#include <string>

namespace espalier::cli {

/// The model that weights belong to, with what their config.json says of it.
Result<shapes::Identified> identified(const formats::WeightsFile& weights);

/// Settings of weights that bring none, as published for their model, or for a U-Net those of the ddpm-torch configuration of the same name
/// beside the file (unet.json for unet.pt), if it is of this very network; where the data lie is left open. `typed` begins the sentence of
/// a failure.
Result<Json> settingsOf(const formats::WeightsFile& weights, const std::filesystem::path& path, const std::string& typed);
/// The same as a whole configuration to draw with, which needs no data.
Result<Json> settingsToDraw(const formats::WeightsFile& weights, const std::filesystem::path& path, const std::string& typed);

} // namespace espalier::cli
