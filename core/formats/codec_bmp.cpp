// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_codecs.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#include <stb_image.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <memory>
#include <string>

namespace espalier::formats::codecs {
namespace {

std::uint32_t number(std::span<const std::byte> bytes, std::size_t at, std::size_t size)
{
    std::uint32_t v = 0;
    for (std::size_t i = size; i-- > 0;)
        v = v << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
    return v;
}

struct Header {
    Size size;
    std::uint64_t pixelBytes = 0, pixelsAt = 0;
};

Header headerOf(std::span<const std::byte> bytes)
{
    if (bytes.size() < 26)
        throw Refusal("was cut");
    const bool old = number(bytes, 14, 4) == 12;
    if (!old && bytes.size() < 54)
        throw Refusal("was cut");
    const auto width = old ? static_cast<std::int64_t>(number(bytes, 18, 2)) : static_cast<std::int32_t>(number(bytes, 18, 4));
    auto height = old ? static_cast<std::int64_t>(number(bytes, 20, 2)) : static_cast<std::int32_t>(number(bytes, 22, 4));
    height = std::abs(height); // negative: rows from the top
    if (width <= 0 || height == 0 || height > INT_MAX)
        throw Refusal("has no pixels");
    const std::uint32_t bits = number(bytes, old ? 24 : 28, 2), compression = old ? 0 : number(bytes, 30, 4);
    if (compression != 0 && compression != 3)
        throw Refusal("is compressed; save it as PNG");
    if (bits == 0 || bits > 32)
        throw Refusal("has " + std::to_string(bits) + " bits a pixel");
    const std::uint64_t rowBytes = (static_cast<std::uint64_t>(width) * bits + 31) / 32 * 4;
    return {{static_cast<int>(width), static_cast<int>(height)}, rowBytes * static_cast<std::uint64_t>(height), number(bytes, 10, 4)};
}

Size sizeOf(std::span<const std::byte> bytes)
{
    return headerOf(bytes).size;
}

Image decoded(std::span<const std::byte> bytes, const DecodeOptions&)
{
    const Header header = headerOf(bytes);
    // The library would read zeros beyond the end. The last row's padding may be missing.
    if (header.pixelsAt > bytes.size() || header.pixelBytes > bytes.size() - header.pixelsAt + 3)
        throw Refusal("was cut");
    if (bytes.size() > INT_MAX)
        throw Refusal("is larger than 2 GiB");
    int width = 0, height = 0, channels = 0;
    const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()),
                                                                                 static_cast<int>(bytes.size()), &width, &height, &channels,
                                                                                 3),
                                                           stbi_image_free);
    if (!pixels)
        throw Refusal(std::string("is damaged or of a kind that is not read (") + stbi_failure_reason() + ")");
    if (width != header.size.width || height != header.size.height)
        throw Refusal("gives two sizes");
    Image image = Image::ofSize(width, height);
    std::memcpy(image.rgb.data(), pixels.get(), image.rgb.size());
    return image;
}

} // namespace

const Codec& bmp()
{
    static const Codec codec{sizeOf, decoded};
    return codec;
}

} // namespace espalier::formats::codecs
