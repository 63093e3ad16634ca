// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden_scene.h"

#include <array>

namespace espalier::data::garden {

Rgb varied(Dice& dice, Rgb colour, float by)
{
    const float tone = dice.range(-by, by);
    const Rgb shift{dice.range(-by, by) * 0.7f, dice.range(-by, by) * 0.7f, dice.range(-by, by) * 0.7f};
    const auto keep = [](float v) { return v < 0.03f ? 0.03f : v > 0.97f ? 0.97f : v; };
    return {keep(colour.r + tone + shift.r), keep(colour.g + tone + shift.g), keep(colour.b + tone + shift.b)};
}

Rgb green(Dice& dice)
{
    static constexpr Rgb kGreens[] = {hex(0x4f8f46), hex(0x6da34a), hex(0x3f7d52), hex(0x86a845), hex(0x5c9a6a), hex(0x3a6b44)};
    return varied(dice, dice.pick(kGreens));
}

Rgb bright(Dice& dice)
{
    static constexpr Rgb kBrights[] = {hex(0xd94f45), hex(0xe88a3a), hex(0xf2c53d), hex(0xf6f0e4), hex(0xe58fb0), hex(0xb85c9e),
                                       hex(0x7a66b8), hex(0x5a8fd0), hex(0xf3b29a), hex(0xc73f6a), hex(0x6fb7c9)};
    return varied(dice, dice.pick(kBrights));
}

Paint flat(Rgb colour, float alpha)
{
    return {colour, colour, alpha};
}

Paint shaded(Rgb colour, float rim)
{
    return {lighter(colour, 0.14f), darker(colour, 0.16f), 1, rim, darker(colour, 0.42f)};
}

namespace {

const Frame kWhole{{0, 0}, 1, {1, 0}, false};

void cloud(Brush brush, Dice& dice, Vec at, float size)
{
    std::array<Brush::Disc, 4> discs;
    for (std::size_t i = 0; i < discs.size(); ++i) {
        const float x = static_cast<float>(i) - 1.5f;
        const float up = dice.range(0.0f, 0.5f);
        discs[i] = {{at.x + x * size * 0.75f, at.y - up * size * 0.5f}, size * (i == 0 || i == 3 ? 0.5f : 0.72f)};
    }
    brush.blob(discs, {hex(0xfdfbf6), hex(0xe6e9ef), 0.85f});
}

void hill(Brush& brush, Dice& dice, float y, float height, const Paint& paint)
{
    const std::array<Vec, 8> ridge{{{-0.2f, 1.1f},
                                    {-0.2f, y - dice.range(0.0f, height)},
                                    {0.15f, y - dice.range(0.0f, height)},
                                    {0.5f, y - dice.range(0.0f, height)},
                                    {0.85f, y - dice.range(0.0f, height)},
                                    {1.2f, y - dice.range(0.0f, height)},
                                    {1.2f, 1.1f},
                                    {0.5f, 1.2f}}};
    brush.curve(ridge, paint);
}

struct Sky {
    Rgb top, bottom;
};
Sky sky(Dice& dice)
{
    static constexpr Sky kSkies[] = {{hex(0x7fb4dc), hex(0xd7ebf2)}, {hex(0x9cc7e0), hex(0xf3eedd)}, {hex(0x5f97cf), hex(0xbfe0ee)},
                                     {hex(0xb7c4d0), hex(0xe4e6e4)}, {hex(0xf0b48a), hex(0xfbe6c4)}, {hex(0x8f86b8), hex(0xf2c7b0)},
                                     {hex(0x34456f), hex(0x8a8fb5)}};
    const Sky s = dice.pick(kSkies);
    const Rgb top = varied(dice, s.top, 0.03f);
    return {top, varied(dice, s.bottom, 0.03f)};
}

void tufts(Brush& brush, Dice& dice, float horizon, Rgb colour)
{
    const int count = dice.between(3, 6);
    for (int i = 0; i < count; ++i) {
        const Vec foot{dice.uniform(), dice.range(horizon + 0.06f, 1.0f)};
        for (const float way : {-0.025f, 0.0f, 0.025f})
            brush.stroke({foot, {foot.x + way, foot.y - 0.06f}}, 0.008f, 0.003f, flat(colour, 0.8f));
    }
}

float meadow(Canvas& canvas, Dice& dice)
{
    static constexpr Rgb kGrasses[] = {hex(0x86b04e), hex(0x9dbb58), hex(0x6a9c52), hex(0xb3b45e), hex(0x79a86a)};
    const Sky s = sky(dice);
    canvas.wash(s.top, s.bottom);
    Brush brush(canvas, kWhole);
    const float horizon = dice.range(0.52f, 0.74f);
    if (dice.chance(0.3f)) {
        const Vec at{dice.range(0.1f, 0.9f), dice.range(0.08f, 0.25f)};
        brush.circle(at, dice.range(0.06f, 0.1f), flat(hex(0xfff2c4), 0.95f));
    }
    const int clouds = dice.below(3);
    for (int i = 0; i < clouds; ++i) {
        const Vec at{dice.uniform(), dice.range(0.08f, 0.35f)};
        cloud(brush, dice, at, dice.range(0.06f, 0.12f));
    }
    const Rgb grass = varied(dice, dice.pick(kGrasses), 0.04f);
    if (dice.chance(0.6f)) {
        const Rgb far = mix(grass, s.bottom, 0.5f);
        hill(brush, dice, horizon, 0.16f, {lighter(far, 0.1f), far});
    }
    hill(brush, dice, horizon + 0.03f, 0.05f, {lighter(grass, 0.12f), darker(grass, 0.22f)});
    tufts(brush, dice, horizon, darker(grass, 0.2f));
    if (dice.chance(0.4f)) {
        const Rgb bloom = bright(dice);
        for (int i = 0; i < 5; ++i) {
            const Vec at{dice.uniform(), dice.range(horizon + 0.08f, 0.98f)};
            brush.circle(at, 0.014f, flat(bloom));
        }
    }
    return horizon;
}

float bed(Canvas& canvas, Dice& dice)
{
    static constexpr Rgb kSoils[] = {hex(0x7a5640), hex(0x8c6a4c), hex(0x64483a), hex(0x94735a)};
    const Sky s = sky(dice);
    canvas.wash(s.top, s.bottom);
    Brush brush(canvas, kWhole);
    const float horizon = dice.range(0.4f, 0.62f);
    const Rgb hedge = mix(green(dice), s.bottom, 0.3f);
    hill(brush, dice, horizon - 0.02f, 0.14f, {lighter(hedge, 0.1f), darker(hedge, 0.12f)});
    const Rgb soil = varied(dice, dice.pick(kSoils), 0.04f);
    hill(brush, dice, horizon + 0.03f, 0.02f, {lighter(soil, 0.14f), darker(soil, 0.2f)});
    for (float y = horizon + 0.1f; y < 1.0f; y += 0.13f) {
        const float wave = dice.range(-0.015f, 0.015f);
        brush.stroke({{-0.1f, y}, {0.3f, y + wave}, {0.7f, y - wave}, {1.1f, y}}, 0.012f, 0.012f, flat(darker(soil, 0.22f), 0.7f));
    }
    return horizon;
}

float plate(Canvas& canvas, Dice& dice)
{
    static constexpr Rgb kPapers[] = {hex(0xf3ead6), hex(0xe4ecf0), hex(0xf5e1dc), hex(0xe3efe0),
                                      hex(0xece4f1), hex(0xf7eec2), hex(0xd6e6e2)};
    const Rgb paper = varied(dice, dice.pick(kPapers), 0.025f);
    canvas.wash(lighter(paper, 0.15f), darker(paper, 0.08f));
    Brush brush(canvas, kWhole);
    if (dice.chance(0.6f)) {
        const Rgb tint = mix(paper, bright(dice), 0.32f);
        const Vec at{dice.range(0.42f, 0.58f), dice.range(0.42f, 0.58f)};
        brush.circle(at, dice.range(0.36f, 0.46f), {lighter(tint, 0.1f), tint, 0.9f});
    }
    return 0.82f;
}

float thicket(Canvas& canvas, Dice& dice)
{
    const Rgb base = green(dice);
    const Rgb deep = darker(base, dice.range(0.25f, 0.55f));
    canvas.wash(mix(deep, base, 0.4f), deep);
    Brush brush(canvas, kWhole);
    const int count = dice.between(7, 11);
    for (int i = 0; i < count; ++i) {
        const Vec foot{dice.uniform(), dice.uniform()};
        const Vec way = turn(dice.uniform());
        const float reach = dice.range(0.25f, 0.45f);
        const Rgb colour = mix(deep, base, dice.range(0.1f, 0.6f));
        brush.leaf(foot, foot + way * reach, reach * dice.range(0.18f, 0.3f), 0, 0.45f, {lighter(colour, 0.08f), colour, 0.8f});
    }
    return 0.85f;
}

float wall(Canvas& canvas, Dice& dice)
{
    static constexpr Rgb kWalls[] = {hex(0xd9c4a8), hex(0xb8c7c2), hex(0xd9b3a0), hex(0xc2b6cc),
                                     hex(0xa9b8c8), hex(0xe0d3b8), hex(0x9fae98)};
    static constexpr Rgb kWoods[] = {hex(0x9a6b45), hex(0xb58a5e), hex(0x7a5038), hex(0xc9a57c)};
    const Rgb plaster = varied(dice, dice.pick(kWalls), 0.03f);
    canvas.wash(lighter(plaster, 0.14f), darker(plaster, 0.06f));
    Brush brush(canvas, kWhole);
    const float horizon = dice.range(0.62f, 0.78f);
    if (dice.chance(0.4f)) { // a window's light
        const float x = dice.range(-0.1f, 0.6f);
        brush.polygon({{x, 0.05f}, {x + 0.3f, 0.0f}, {x + 0.42f, 0.5f}, {x + 0.1f, 0.55f}}, flat(hex(0xfff6dc), 0.35f));
    }
    const Rgb wood = varied(dice, dice.pick(kWoods), 0.03f);
    brush.polygon({{-0.1f, horizon}, {1.1f, horizon}, {1.1f, 1.1f}, {-0.1f, 1.1f}}, {lighter(wood, 0.1f), darker(wood, 0.15f)});
    brush.stroke({{-0.1f, horizon + 0.12f}, {1.1f, horizon + 0.12f}}, 0.006f, 0.006f, flat(darker(wood, 0.3f), 0.6f));
    return horizon;
}

float desert(Canvas& canvas, Dice& dice)
{
    static constexpr Rgb kSands[] = {hex(0xe0bf86), hex(0xd9a878), hex(0xe8d0a0), hex(0xcf9a6a)};
    const Sky s = sky(dice);
    canvas.wash(s.top, s.bottom);
    Brush brush(canvas, kWhole);
    const float horizon = dice.range(0.55f, 0.74f);
    const Rgb sand = varied(dice, dice.pick(kSands), 0.03f);
    const Rgb far = mix(mix(sand, hex(0xa0604a), 0.4f), s.bottom, 0.35f);
    hill(brush, dice, horizon, 0.18f, {lighter(far, 0.1f), far});
    hill(brush, dice, horizon + 0.03f, 0.05f, {lighter(sand, 0.14f), darker(sand, 0.14f)});
    for (int i = 0; i < 4; ++i) {
        const Vec at{dice.uniform(), dice.range(horizon + 0.08f, 0.97f)};
        brush.ellipse(at, dice.range(0.015f, 0.035f), 0.012f, shaded(darker(sand, 0.25f), 0));
    }
    return horizon;
}

} // namespace

float drawBackdrop(Canvas& canvas, Backdrop backdrop, Dice& dice)
{
    switch (backdrop) {
    case Backdrop::Meadow:
        return meadow(canvas, dice);
    case Backdrop::Bed:
        return bed(canvas, dice);
    case Backdrop::Plate:
        return plate(canvas, dice);
    case Backdrop::Thicket:
        return thicket(canvas, dice);
    case Backdrop::Wall:
        return wall(canvas, dice);
    case Backdrop::Desert:
        return desert(canvas, dice);
    }
    return 0.8f;
}

void drawForeground(Canvas& canvas, Backdrop backdrop, Dice& dice)
{
    Brush brush(canvas, kWhole);
    const Rgb colour = green(dice);
    const bool grassy = backdrop == Backdrop::Meadow || backdrop == Backdrop::Bed || backdrop == Backdrop::Thicket;
    const int kind = dice.below(3);
    if (kind == 0 && grassy) { // blades of grass
        const int count = dice.between(5, 9);
        for (int i = 0; i < count; ++i) {
            const float x = dice.uniform();
            const float lean = dice.range(-0.1f, 0.1f);
            const float high = dice.range(0.14f, 0.32f);
            brush.stroke({{x, 1.04f}, {x + lean * 0.3f, 1.0f - high * 0.6f}, {x + lean, 1.0f - high}}, 0.02f, 0.004f,
                         {lighter(colour, 0.15f), darker(colour, 0.1f)});
        }
    } else if (kind == 1) { // a twig with leaves across a corner
        const float x = dice.chance(0.5f) ? 0.0f : 1.0f;
        const float y = dice.chance(0.7f) ? 0.0f : 1.0f;
        const float way = x > 0.5f ? -1.0f : 1.0f;
        const float down = y > 0.5f ? -1.0f : 1.0f;
        const Vec end{x + way * dice.range(0.3f, 0.45f), y + down * dice.range(0.12f, 0.3f)};
        const Vec start{x - way * 0.05f, y + down * 0.04f};
        brush.stroke({start, mix(start, end, 0.5f), end}, 0.014f, 0.008f, flat(hex(0x6b4a32)));
        for (int i = 0; i < 4; ++i) {
            const Vec foot = mix(start, end, 0.25f + 0.23f * static_cast<float>(i));
            const float side = i % 2 ? 1.0f : -1.0f;
            const Vec along = unit(end - start);
            const Vec tip = foot + along * 0.09f + Vec{-along.y, along.x} * (side * 0.1f);
            brush.leaf(foot, tip, 0.034f, 0, 0.45f, {lighter(colour, 0.15f), darker(colour, 0.15f), 1, 0.008f, darker(colour, 0.4f)});
        }
    } else { // one big leaf from an edge
        const float x = dice.range(-0.05f, 1.05f);
        const float lean = dice.range(-0.25f, 0.25f);
        const float high = dice.range(0.18f, 0.36f);
        const Paint paint{lighter(colour, 0.18f), darker(colour, 0.18f), 1, 0.01f, darker(colour, 0.42f)};
        brush.leaf({x, 1.05f}, {x + lean, 1.0f - high}, 0.07f, 0.02f, 0.42f, paint);
        brush.stroke({{x, 1.05f}, {x + lean * 0.8f, 1.02f - high * 0.8f}}, 0.007f, 0.003f, flat(lighter(colour, 0.4f), 0.8f));
    }
}

} // namespace espalier::data::garden
