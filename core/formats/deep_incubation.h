// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/torch_file.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::formats {

/// What a ViT cut into modules is written with.
struct ModulesToWrite {
    std::vector<std::int64_t> division; // blocks of each module
    std::int64_t module = -1;           // that was trained inside a meta model; -1: none
};

/// A checkpoint as Deep-Incubation saves it, of tensors under the names of timm: `model` with each tensor under both of its names, and
/// `model_stages`, the list of modules under names of their own, which is all that its later phases read. Each tensor is written once.
/// What it does not know is a text beside: "espalier.assembling", by which we refuse a module in the place of another.
std::vector<TorchNode> deepIncubationCheckpoint(std::vector<SafetensorsItem> items, const ModulesToWrite& modules);

} // namespace espalier::formats
