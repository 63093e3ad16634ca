// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/runs/run_folder.h"

#include <filesystem>
#include <string>

namespace espalier::cli {

/// What inspect has to say about something: a document and a text.
struct Inspected {
    Json json = Json::object();
    std::string text;
};

Result<Inspected> inspectRun(const runs::RunFolder& run);
/// A checkpoint folder: what its manifest says, and every file against its size and SHA-256.
Result<Inspected> inspectCheckpoint(const std::filesystem::path& folder);
/// A safetensors or PyTorch file, or a diffusers folder: its tensors, what else it says, the model that its weights belong to, which
/// weights it has, and the settings to draw with them.
Result<Inspected> inspectTensors(const std::filesystem::path& path);
Result<Inspected> inspectNpz(const std::filesystem::path& file);
Result<Inspected> inspectConfig(const std::filesystem::path& file);
Result<Inspected> inspectPreset(const std::string& id);

} // namespace espalier::cli
