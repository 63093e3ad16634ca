// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden_scene.h"

#include <array>

namespace espalier::data::garden {

namespace {
constexpr Rgb kInk = hex(0x2b2430);
}

void drawButterfly(Brush brush, Dice& dice)
{
    const Rgb wing = bright(dice);
    const Rgb second = dice.chance(0.5f) ? darker(wing, 0.2f) : mix(wing, bright(dice), 0.6f);
    const Rgb spot = dice.chance(0.5f) ? lighter(wing, 0.6f) : darker(wing, 0.6f);
    const float fold = dice.range(0.62f, 1.0f); // how far the other side is turned away
    const float high = dice.range(0.85f, 1.05f);
    const float low = dice.range(0.75f, 1.0f);
    const bool edged = dice.chance(0.5f);
    const bool spots = dice.chance(0.75f);
    for (const float way : {-fold, 1.0f}) {
        const auto side = [&](float x, float y) { return Vec{x * way, y}; };
        brush.curve({side(0.06f, 0.08f), side(0.34f, 0.0f), side(0.72f, 0.3f * low), side(0.66f, 0.74f * low), side(0.34f, 0.86f * low),
                     side(0.1f, 0.5f)},
                    shaded(second, 0.045f));
        brush.curve({side(0.05f, -0.1f), side(0.3f, -0.62f * high), side(0.72f, -0.92f * high), side(1.0f, -0.72f * high),
                     side(0.9f, -0.14f), side(0.5f, 0.16f), side(0.08f, 0.14f)},
                    shaded(edged ? darker(wing, 0.55f) : wing, 0.045f));
        if (edged)
            brush.curve({side(0.1f, -0.06f), side(0.34f, -0.5f * high), side(0.66f, -0.74f * high), side(0.84f, -0.58f * high),
                         side(0.76f, -0.14f), side(0.48f, 0.06f), side(0.12f, 0.06f)},
                        shaded(wing, 0));
        if (spots) {
            brush.circle(side(0.64f, -0.46f * high), 0.13f, flat(spot));
            brush.circle(side(0.44f, 0.48f * low), 0.11f, flat(spot));
        }
    }
    brush.stroke({{-0.02f, -0.4f}, {-0.1f, -0.7f}, {-0.3f, -0.92f}}, 0.02f, 0.02f, flat(kInk));
    brush.stroke({{0.02f, -0.4f}, {0.1f, -0.7f}, {0.3f, -0.92f}}, 0.02f, 0.02f, flat(kInk));
    brush.circle({-0.3f, -0.92f}, 0.045f, flat(kInk));
    brush.circle({0.3f, -0.92f}, 0.045f, flat(kInk));
    brush.stroke({{0, -0.3f}, {0, 0.56f}}, 0.1f, 0.045f, shaded(mix(kInk, wing, 0.12f), 0.02f));
    brush.circle({0, -0.38f}, 0.1f, flat(kInk));
}

void drawLadybird(Brush brush, Dice& dice)
{
    static constexpr Rgb kShells[] = {hex(0xcf2e2a), hex(0xd9452b), hex(0xe58a2a), hex(0xe8b93a), hex(0xb5283a)};
    const Rgb shell = varied(dice, dice.pick(kShells));
    brush.ellipse({0.08f, 0.14f}, 0.74f, 0.86f, flat(hex(0x1a1f1a), 0.25f));
    for (const float y : {-0.28f, 0.08f, 0.44f})
        for (const float way : {-1.0f, 1.0f})
            brush.stroke({{way * 0.5f, y}, {way * 0.8f, y - 0.06f}, {way * 0.96f, y + 0.12f}}, 0.055f, 0.04f, flat(kInk));
    for (const float way : {-1.0f, 1.0f})
        brush.stroke({{way * 0.14f, -0.78f}, {way * 0.26f, -0.98f}, {way * 0.42f, -1.05f}}, 0.03f, 0.03f, flat(kInk));
    brush.ellipse({0, -0.66f}, 0.38f, 0.3f, shaded(kInk));
    brush.ellipse({-0.21f, -0.72f}, 0.09f, 0.1f, flat(hex(0xf4efe2)));
    brush.ellipse({0.21f, -0.72f}, 0.09f, 0.1f, flat(hex(0xf4efe2)));
    const float round = dice.range(0.68f, 0.78f);
    brush.ellipse({0, 0.1f}, round, 0.78f, shaded(shell, 0.04f));
    const float open = dice.chance(0.25f) ? dice.range(0.06f, 0.12f) : 0.0f; // wing cases slightly spread
    if (open > 0)
        brush.polygon({{0, -0.55f}, {open * 2.2f, 0.86f}, {-open * 2.2f, 0.86f}}, flat(darker(shell, 0.7f)));
    else
        brush.stroke({{0, -0.64f}, {0, 0.84f}}, 0.03f, 0.03f, flat(kInk));
    const float size = dice.range(0.11f, 0.16f);
    const int kind = dice.below(3);
    static constexpr std::array<Vec, 4> kSpots{{{0.36f, -0.2f}, {0.4f, 0.32f}, {0.2f, 0.62f}, {0.22f, 0.06f}}};
    for (int i = 0; i < 2 + kind; ++i)
        for (const float way : {-1.0f, 1.0f}) {
            const Vec at = kSpots[static_cast<std::size_t>(i)];
            brush.circle({way * (at.x + open), at.y}, kind == 0 ? size * 1.25f : size, flat(kInk));
        }
    brush.ellipse({-0.3f, -0.36f}, 0.15f, 0.08f, flat(hex(0xfff6ea), 0.5f), -0.1f);
}

void drawSnail(Brush brush, Dice& dice)
{
    static constexpr Rgb kShells[] = {hex(0xc98a4b), hex(0xb5654a), hex(0xd9a0a0), hex(0x8e7fb0),
                                      hex(0xd9bd62), hex(0x6f9aa0), hex(0xa8574f)};
    static constexpr Rgb kBodies[] = {hex(0xd9c3a0), hex(0xb8a58a), hex(0xc9b6a8), hex(0xa9a48c), hex(0xe0cbb0)};
    const Rgb shell = varied(dice, dice.pick(kShells));
    const Rgb body = varied(dice, dice.pick(kBodies), 0.04f);
    const float neck = dice.range(-0.06f, 0.12f);
    brush.ellipse({0, 1.0f}, 1.0f, 0.09f, flat(hex(0x1d2b1a), 0.28f));
    const Vec head{-0.82f, 0.24f - neck};
    for (const float way : {-1.0f, 1.0f}) {
        const Vec eye{head.x - 0.06f + way * 0.14f, head.y - 0.44f};
        brush.stroke({{head.x + way * 0.06f, head.y}, eye}, 0.04f, 0.03f, flat(darker(body, 0.12f)));
        brush.circle(eye, 0.065f, flat(kInk));
    }
    brush.curve({{-0.98f, head.y},
                 {-0.84f, head.y - 0.2f},
                 {-0.62f, head.y - 0.02f},
                 {-0.52f, 0.55f},
                 {0, 0.72f},
                 {0.6f, 0.74f},
                 {1.15f, 0.98f},
                 {0.4f, 1.02f},
                 {-0.5f, 1.02f},
                 {-0.84f, 0.92f},
                 {-0.94f, 0.6f}},
                shaded(body));
    const Vec centre{0.16f, 0.2f};
    const float radius = dice.range(0.64f, 0.72f);
    brush.circle(centre, radius, shaded(shell, 0.045f));
    if (dice.chance(0.35f))
        brush.circle(centre + Vec{0.03f, 0.04f}, radius * 0.55f, flat(lighter(shell, 0.3f), 0.7f));
    std::array<Vec, 16> spiral;
    for (std::size_t i = 0; i < spiral.size(); ++i) {
        const float t = static_cast<float>(i) / static_cast<float>(spiral.size() - 1);
        spiral[i] = centre + turn(0.36f - t * 1.9f) * (radius * mix(0.92f, 0.08f, t));
    }
    brush.stroke(spiral, 0.055f, 0.04f, flat(darker(shell, 0.42f)));
    brush.ellipse(centre + Vec{-radius * 0.35f, -radius * 0.55f}, 0.17f, 0.08f, flat(hex(0xfff6ea), 0.45f), -0.1f);
}

void drawWateringCan(Brush brush, Dice& dice)
{
    static constexpr Rgb kMetals[] = {hex(0x4f86a8), hex(0x3f9a8c), hex(0xc8473c), hex(0xe0b03c),
                                      hex(0x8a98a3), hex(0x6f8f52), hex(0x9a6aa0)};
    const Rgb metal = varied(dice, dice.pick(kMetals));
    brush.ellipse({0.05f, 1.0f}, 0.72f, 0.1f, flat(hex(0x1d2b1a), 0.28f));
    const float wide = dice.range(0.46f, 0.58f);
    const float top = dice.range(-0.12f, 0.1f);
    const float taper = dice.range(0.78f, 1.0f);
    // Spout and its rose, low on the body and up to the left.
    const float rise = dice.range(-0.5f, -0.28f);
    brush.stroke({{-wide * 0.7f, 0.66f}, {-wide - 0.2f, 0.3f}, {-1.02f, rise + 0.1f}}, 0.13f, 0.07f, shaded(darker(metal, 0.08f)));
    brush.ellipse({-1.06f, rise + 0.04f}, 0.1f, 0.24f, shaded(lighter(metal, 0.12f)), 0.12f);
    // Handle at the back, and one over the top for some.
    brush.stroke({{wide * 0.8f, 0.0f + top}, {wide + 0.4f, 0.04f + top}, {wide + 0.42f, 0.48f}, {wide * 0.9f, 0.76f}}, 0.07f, 0.07f,
                 shaded(darker(metal, 0.15f)));
    if (dice.chance(0.5f))
        brush.stroke({{-wide * 0.75f, top}, {-wide * 0.5f, top - 0.5f}, {wide * 0.5f, top - 0.5f}, {wide * 0.75f, top}}, 0.06f, 0.06f,
                     shaded(darker(metal, 0.15f)));
    brush.ellipse({0, top}, wide * taper, 0.13f, shaded(darker(metal, 0.45f)));
    brush.curve({{-wide * taper, top},
                 {-wide * 0.5f * taper, top + 0.08f},
                 {0, top + 0.11f},
                 {wide * 0.5f * taper, top + 0.08f},
                 {wide * taper, top},
                 {wide * mix(taper, 1.0f, 0.5f), 0.5f},
                 {wide, 0.96f},
                 {0, 1.06f},
                 {-wide, 0.96f},
                 {-wide * mix(taper, 1.0f, 0.5f), 0.5f}},
                shaded(metal));
    brush.stroke({{-wide * 0.97f, 0.72f}, {0, 0.84f}, {wide * 0.97f, 0.72f}}, 0.03f, 0.03f, flat(lighter(metal, 0.35f), 0.8f));
    brush.stroke({{-wide * 0.55f, 0.25f}, {-wide * 0.6f, 0.62f}}, 0.06f, 0.05f, flat(hex(0xfff8ee), 0.4f));
    if (dice.chance(0.35f)) // water
        for (int i = 0; i < 3; ++i) {
            const float x = -1.2f - 0.12f * static_cast<float>(i);
            const float y = dice.range(0.1f, 0.6f);
            brush.leaf({x, rise + y + 0.14f}, {x + 0.05f, rise + y - 0.1f}, 0.055f, 0, 0.3f, flat(hex(0xbfe3f2), 0.9f));
        }
}

} // namespace espalier::data::garden
