// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/models/inception.h"

#include <filesystem>
#include <memory>
#include <string>

namespace espalier::evaluation {

/// The Inception network of a weights file, and what a recipe calls the file.
struct InceptionFile {
    std::shared_ptr<const models::Inception> network;
    std::string name;   // without its folder
    std::string sha256; // the published file's begins with 6726825d
};
Result<InceptionFile> openInception(const std::filesystem::path& file, at::Device device);

} // namespace espalier::evaluation
