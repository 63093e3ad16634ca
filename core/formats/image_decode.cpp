// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_decode.h"

#include "core/base/files.h"
#include "core/formats/image_codecs.h"

#include <fmt/format.h>

#include <cstring>
#include <exception>
#include <new>

namespace espalier::formats {
namespace {

const codecs::Codec& codecOf(ImageFormat format)
{
    switch (format) {
    case ImageFormat::Jpeg:
        return codecs::jpeg();
    case ImageFormat::WebP:
        return codecs::webp();
    case ImageFormat::Bmp:
        return codecs::bmp();
    case ImageFormat::Tiff:
        return codecs::tiff();
    case ImageFormat::Png:
        break;
    }
    return codecs::png();
}

Error refusal(std::string_view name, std::string_view why)
{
    return {ErrorCode::Format, fmt::format("{} cannot be read as an image: {}.", name, why)};
}

/// Runs one step of a codec and turns what it throws into a sentence.
template <class Step>
auto guarded(std::string_view name, ImageFormat format, Step step) -> Result<decltype(step())>
{
    try {
        return step();
    } catch (const codecs::Refusal& refused) {
        return refusal(name, fmt::format("the {} {}", nameOf(format), refused.what()));
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::Memory, fmt::format("{} cannot be read as an image: there is no memory left for its pixels.", name)};
    }
}

} // namespace

std::optional<ImageFormat> imageFormatOf(std::span<const std::byte> bytes)
{
    const auto has = [&](std::size_t at, std::string_view magic) {
        return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
    };
    using namespace std::string_view_literals;
    if (has(0, "\x89PNG\r\n\x1a\n"))
        return ImageFormat::Png;
    if (has(0, "\xFF\xD8\xFF"))
        return ImageFormat::Jpeg;
    if (has(0, "RIFF") && has(8, "WEBP"))
        return ImageFormat::WebP;
    if (has(0, "BM"))
        return ImageFormat::Bmp;
    if (has(0, "II*\0"sv) || has(0, "MM\0*"sv) || has(0, "II+\0"sv) || has(0, "MM\0+"sv))
        return ImageFormat::Tiff;
    return {};
}

std::string_view nameOf(ImageFormat format)
{
    switch (format) {
    case ImageFormat::Jpeg:
        return "JPEG";
    case ImageFormat::WebP:
        return "WebP";
    case ImageFormat::Bmp:
        return "BMP";
    case ImageFormat::Tiff:
        return "TIFF";
    case ImageFormat::Png:
        break;
    }
    return "PNG";
}

Result<ImageInfo> readImageInfo(std::span<const std::byte> bytes, std::string_view name)
{
    const auto format = imageFormatOf(bytes);
    if (!format)
        return refusal(name, bytes.empty() ? "it is empty" : "its content is no PNG, JPEG, WebP, BMP or TIFF");
    const auto size = guarded(name, *format, [&] { return codecOf(*format).size(bytes); });
    if (!size)
        return size.error();
    if (size->width <= 0 || size->height <= 0)
        return refusal(name, fmt::format("the {} has {} × {} pixels", nameOf(*format), size->width, size->height));
    return ImageInfo{*format, size->width, size->height};
}

Result<Image> decodeImage(std::span<const std::byte> bytes, std::string_view name, const DecodeOptions& options)
{
    const auto info = readImageInfo(bytes, name);
    if (!info)
        return info.error();
    const auto pixels = static_cast<std::uint64_t>(info->width) * static_cast<std::uint64_t>(info->height);
    if (pixels > options.maxPixels)
        return refusal(name, fmt::format("its {} × {} pixels are more than the {} allowed", info->width, info->height, options.maxPixels));
    return guarded(name, info->format, [&] { return codecOf(info->format).decode(bytes, options); });
}

Result<Image> decodeImageFile(const std::filesystem::path& file, const DecodeOptions& options)
{
    const auto bytes = readFile(file);
    if (!bytes)
        return bytes.error();
    return decodeImage(std::as_bytes(std::span(bytes->data(), bytes->size())), file.string(), options);
}

} // namespace espalier::formats
