// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_codecs.h"

#include <webp/decode.h>

#include <new>

namespace espalier::formats::codecs {
namespace {

const std::uint8_t* dataOf(std::span<const std::byte> bytes)
{
    return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

Size sizeOf(std::span<const std::byte> bytes)
{
    WebPBitstreamFeatures features{};
    const VP8StatusCode status = WebPGetFeatures(dataOf(bytes), bytes.size(), &features);
    if (status == VP8_STATUS_NOT_ENOUGH_DATA)
        throw Refusal("was cut");
    if (status != VP8_STATUS_OK)
        throw Refusal("is damaged");
    if (features.has_animation)
        throw Refusal("is an animation");
    return {features.width, features.height};
}

Image decoded(std::span<const std::byte> bytes, const DecodeOptions&)
{
    const Size size = sizeOf(bytes);
    Image image = Image::ofSize(size.width, size.height);
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        throw Refusal("cannot be read by this WebP library");
    config.output.colorspace = MODE_RGB;
    config.output.u.RGBA.rgba = image.rgb.data();
    config.output.u.RGBA.stride = size.width * 3;
    config.output.u.RGBA.size = image.rgb.size();
    config.output.is_external_memory = 1;
    const VP8StatusCode status = WebPDecode(dataOf(bytes), bytes.size(), &config);
    WebPFreeDecBuffer(&config.output);
    if (status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED)
        throw Refusal("was cut");
    if (status == VP8_STATUS_OUT_OF_MEMORY)
        throw std::bad_alloc();
    if (status != VP8_STATUS_OK)
        throw Refusal("is damaged");
    return image;
}

} // namespace

const Codec& webp()
{
    static const Codec codec{sizeOf, decoded};
    return codec;
}

} // namespace espalier::formats::codecs
