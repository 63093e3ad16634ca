// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_affine.h"

#include "core/formats/enhance_kernels.h"

#include <charconv>
#include <cmath>
#include <memory>
#include <numbers>

namespace espalier::formats {
namespace {

/// Python's round(v, 15): of the decimal number, not of v times a power of ten.
double roundedTo15(double v)
{
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::fixed, 15).ptr;
    std::from_chars(text, end, v);
    return v;
}

} // namespace

Affine rotated(double degrees, int width, int height)
{
    double turn = std::fmod(degrees, 360.0);
    if (turn < 0.0)
        turn += 360.0;
    if (turn == 0.0)
        return {};
    const double angle = -(turn * (std::numbers::pi / 180.0)), x = width / 2.0, y = height / 2.0;
    Affine m;
    m.a = m.e = roundedTo15(std::cos(angle));
    m.b = roundedTo15(std::sin(angle));
    m.d = roundedTo15(-std::sin(angle));
    m.c = m.a * -x + m.b * -y + 0.0 + x;
    m.f = m.d * -x + m.e * -y + 0.0 + y;
    return m;
}

void transform(Image& image, const Affine& m, const std::array<std::uint8_t, 3>& fill, ImageScratch& scratch)
{
    constexpr int kFrame = kernels::kFrame;
    if (image.width <= 0 || image.height <= 0)
        return;
    const auto quads = static_cast<std::size_t>(image.width + 2 * kFrame) * static_cast<std::size_t>(image.height + 2 * kFrame);
    scratch.quads.resize((quads + 1) * 4); // one more, so that the first can be aligned
    void* place = scratch.quads.data();
    std::size_t room = scratch.quads.size() * sizeof(std::int32_t);
    auto* framed = static_cast<kernels::Quad*>(std::align(alignof(kernels::Quad), quads * sizeof(kernels::Quad), place, room));
    kernels::framed(image.rgb.data(), image.width, image.height, framed);
    kernels::transformBicubic(framed, image.width, image.height, {m.a, m.b, m.c, m.d, m.e, m.f}, fill, image.rgb.data());
}

} // namespace espalier::formats
