// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/formats/safetensors.h"
#include "core/shapes/autoencoder_shape.h"
#include "core/shapes/layouts.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace espalier::worker {

/// A model that is written, with the configuration that goes with it: a run's settings, or what stood beside diffusers' weights; null
/// without one.
struct Exported {
    std::variant<shapes::ModelShape, shapes::AutoencoderShape> model;
    Json config;
    std::vector<std::int64_t> division = {}; // blocks of each module, where modules are assembled
    std::int64_t module = -1;                // that was trained inside a meta model
};

/// What `to` names; "" goes by the name of the file.
Result<shapes::Layout> layoutFor(const std::string& to, const std::string& out);

/// Writes weights for the code that a layout is of: a file, or a folder for diffusers. The result names it, with size and hash of the
/// file of weights; for ddpm-torch also the JSON of the configuration beside it, `config_file`, or in `config_problem` why there is none.
/// `which` is what a header says of them.
Result<Json> writeExport(const Exported& model, shapes::Layout layout, std::vector<formats::SafetensorsItem> items,
                         const std::string& which, const std::string& out);

} // namespace espalier::worker
