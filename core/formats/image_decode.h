// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/formats/image.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

namespace espalier::formats {

enum class ImageFormat { Png, Jpeg, WebP, Bmp, Tiff };

/// By content; the file's name says nothing.
std::optional<ImageFormat> imageFormatOf(std::span<const std::byte> bytes);
std::string_view nameOf(ImageFormat format);

struct DecodeOptions {
    /// 1, 2, 4 or 8: a JPEG is decoded at that fraction of its size, which is faster and gives other pixels. Other formats ignore it.
    int jpegDenominator = 1;
    /// Larger images are refused before anything is allocated.
    std::uint64_t maxPixels = 178'956'970;
};

struct ImageInfo {
    ImageFormat format = ImageFormat::Png;
    int width = 0;
    int height = 0;
};

/// Format and size from the first bytes of a file (all of it for TIFF).
Result<ImageInfo> readImageInfo(std::span<const std::byte> bytes, std::string_view name);

/// To 8-bit RGB: alpha is dropped without blending, 16-bit grey is clipped at 255 and 16-bit RGB keeps its high byte, CMYK is multiplied
/// out, the EXIF orientation is not applied. A file that ends early is an error. `name` is named in errors. Safe from several threads.
Result<Image> decodeImage(std::span<const std::byte> bytes, std::string_view name, const DecodeOptions& options = {});
Result<Image> decodeImageFile(const std::filesystem::path& file, const DecodeOptions& options = {});

} // namespace espalier::formats
