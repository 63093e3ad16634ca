// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/files.h"
#include "core/base/result.h"
#include "core/formats/image.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace espalier::formats {

/// Keyword (1 to 79 Latin letters, digits, blanks) to UTF-8 text.
using PngTexts = std::map<std::string, std::string>;

/// Equal pixels and texts give equal bytes. ASCII texts become tEXt or zTXt chunks, others iTXt.
Result<std::string> encodePng(const PixelView& image, const PngTexts& texts = {});
Result<Done> writePng(const std::filesystem::path& file, const PixelView& image, const PngTexts& texts = {}, Sync sync = Sync::No);

/// The texts of a PNG without decoding its pixels; `name` is named in errors.
Result<PngTexts> readPngTexts(std::span<const std::byte> png, std::string_view name);
Result<PngTexts> readPngTexts(const std::filesystem::path& file);

} // namespace espalier::formats
