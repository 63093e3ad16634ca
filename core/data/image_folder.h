// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"
#include "core/data/framing.h"

#include <filesystem>
#include <memory>

namespace espalier::data {

struct ImageFolderOptions {
    Split split = Split::Train;
    int side = 32;
    Framing framing;
    bool scaledJpeg = false; // decode large JPEG files at a fraction of their size
};

/// A folder of images: class folders (sorted by name, read as torchvision's ImageFolder does), or a parent of train/ and val/ or test/,
/// each with class folders, or images without classes. `framing` cuts the squares.
/// Images are looked at when they are read; opening costs one walk over the folders.
Result<std::shared_ptr<const Dataset>> openImageFolder(const std::filesystem::path& root, const ImageFolderOptions& options,
                                                       const Log& log);

} // namespace espalier::data
