// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden_scene.h"

namespace espalier::data::garden {

namespace {
constexpr Rgb kStalk = hex(0x6b4a2e);

void shine(Brush& brush, Vec at, float size)
{
    brush.ellipse(at, size, size * 0.6f, flat(hex(0xfffaf0), 0.55f), -0.1f);
}

void apple(Brush& brush, Dice& dice, Rgb leaf)
{
    static constexpr Rgb kSkins[] = {hex(0xc93a34), hex(0x9fbf45), hex(0xe0b23e), hex(0xd8584a)};
    const Rgb skin = varied(dice, dice.pick(kSkins));
    const float broad = dice.range(0.72f, 0.84f);
    brush.curve({{0, -0.44f},
                 {broad * 0.45f, -0.6f},
                 {broad * 0.98f, -0.28f},
                 {broad * 0.92f, 0.3f},
                 {broad * 0.42f, 0.74f},
                 {0, 0.66f},
                 {-broad * 0.42f, 0.74f},
                 {-broad * 0.92f, 0.3f},
                 {-broad * 0.98f, -0.28f},
                 {-broad * 0.45f, -0.6f}},
                shaded(skin));
    brush.ellipse({0, -0.42f}, 0.2f, 0.07f, flat(darker(skin, 0.3f), 0.6f));
    brush.stroke({{0, -0.42f}, {0.04f, -0.65f}, {0.12f, -0.88f}}, 0.04f, 0.05f, flat(kStalk));
    brush.leaf({0.06f, -0.62f}, {0.6f, -0.9f}, 0.15f, -0.05f, 0.45f, shaded(leaf));
    shine(brush, {-broad * 0.45f, -0.18f}, 0.16f);
}

void pear(Brush& brush, Dice& dice, Rgb leaf)
{
    static constexpr Rgb kSkins[] = {hex(0xc6c24a), hex(0xa9b84c), hex(0xd9b04a)};
    const Rgb skin = varied(dice, dice.pick(kSkins));
    brush.curve({{0, -0.78f},
                 {0.24f, -0.62f},
                 {0.32f, -0.2f},
                 {0.62f, 0.25f},
                 {0.5f, 0.7f},
                 {0, 0.86f},
                 {-0.5f, 0.7f},
                 {-0.62f, 0.25f},
                 {-0.32f, -0.2f},
                 {-0.24f, -0.62f}},
                shaded(skin));
    brush.ellipse({0.24f, 0.38f}, 0.26f, 0.34f, flat(hex(0xd86a3a), 0.3f));
    brush.stroke({{0, -0.74f}, {0.03f, -0.9f}, {0.1f, -1.05f}}, 0.04f, 0.045f, flat(kStalk));
    brush.leaf({0.05f, -0.86f}, {-0.5f, -1.0f}, 0.13f, 0.04f, 0.45f, shaded(leaf));
    shine(brush, {-0.3f, 0.12f}, 0.12f);
}

void orange(Brush& brush, Dice& dice, Rgb leaf)
{
    static constexpr Rgb kSkins[] = {hex(0xe8872b), hex(0xf0a232), hex(0xe2703a), hex(0x5b4a8a), hex(0x7a4a86)};
    const Rgb skin = varied(dice, dice.pick(kSkins));
    brush.circle({0, 0.08f}, 0.74f, shaded(skin));
    brush.leaf({0.02f, -0.62f}, {-0.52f, -0.86f}, 0.14f, 0.04f, 0.45f, shaded(leaf));
    brush.leaf({0.0f, -0.62f}, {0.5f, -0.8f}, 0.14f, -0.04f, 0.45f, shaded(lighter(leaf, 0.12f)));
    brush.circle({0, -0.6f}, 0.06f, flat(kStalk));
    shine(brush, {-0.3f, -0.2f}, 0.17f);
}

void lemon(Brush& brush, Dice& dice, Rgb leaf)
{
    const Rgb skin = varied(dice, dice.chance(0.7f) ? hex(0xf2d33c) : hex(0xa8c24a));
    brush.leaf({-0.7f, -0.62f}, {-0.2f, -0.95f}, 0.16f, 0.05f, 0.45f, shaded(leaf));
    brush.curve({{-1.0f, -0.08f},
                 {-0.76f, -0.2f},
                 {-0.4f, -0.5f},
                 {0.1f, -0.58f},
                 {0.6f, -0.36f},
                 {0.82f, -0.06f},
                 {1.02f, 0.06f},
                 {0.8f, 0.2f},
                 {0.5f, 0.5f},
                 {0, 0.6f},
                 {-0.5f, 0.42f},
                 {-0.76f, 0.12f}},
                shaded(skin));
    shine(brush, {-0.2f, -0.22f}, 0.2f);
}

void cherries(Brush& brush, Dice& dice, Rgb leaf)
{
    const Rgb skin = varied(dice, dice.chance(0.6f) ? hex(0xb8232f) : hex(0x7c1f3a));
    brush.stroke({{0.1f, -0.85f}, {-0.2f, -0.4f}, {-0.42f, 0.2f}}, 0.04f, 0.035f, flat(hex(0x6f8a3a)));
    brush.stroke({{0.1f, -0.85f}, {0.36f, -0.35f}, {0.42f, 0.3f}}, 0.04f, 0.035f, flat(hex(0x6f8a3a)));
    brush.leaf({0.1f, -0.82f}, {0.85f, -0.7f}, 0.2f, -0.08f, 0.45f, shaded(leaf));
    brush.circle({-0.45f, 0.42f}, 0.42f, shaded(skin));
    brush.circle({0.42f, 0.52f}, 0.42f, shaded(lighter(skin, 0.06f)));
    shine(brush, {-0.58f, 0.26f}, 0.1f);
    shine(brush, {0.28f, 0.36f}, 0.1f);
}

void strawberry(Brush& brush, Dice& dice, Rgb leaf)
{
    const Rgb skin = varied(dice, hex(0xd2343a));
    brush.curve(
        {{0, -0.56f}, {0.5f, -0.58f}, {0.74f, -0.2f}, {0.48f, 0.42f}, {0, 0.92f}, {-0.48f, 0.42f}, {-0.74f, -0.2f}, {-0.5f, -0.58f}},
        shaded(skin));
    for (const Vec seed : {Vec{-0.4f, -0.18f}, Vec{0, -0.1f}, Vec{0.4f, -0.18f}, Vec{-0.22f, 0.2f}, Vec{0.22f, 0.2f}, Vec{0, 0.5f}})
        brush.ellipse(seed, 0.035f, 0.06f, flat(hex(0xf3d27a)));
    for (int i = 0; i < 5; ++i) {
        const Vec way = turn(0.02f + static_cast<float>(i) * 0.115f);
        brush.leaf({0, -0.58f}, {way.x * 0.55f, -0.58f + way.y * 0.3f - 0.06f}, 0.1f, 0, 0.45f, shaded(leaf, 0.02f));
    }
    brush.stroke({{0, -0.56f}, {0.04f, -0.9f}}, 0.045f, 0.045f, flat(leaf));
}
} // namespace

void drawFruit(Brush brush, Dice& dice)
{
    const Rgb leaf = green(dice);
    switch (dice.below(6)) {
    case 0:
        return apple(brush, dice, leaf);
    case 1:
        return pear(brush, dice, leaf);
    case 2:
        return orange(brush, dice, leaf);
    case 3:
        return lemon(brush, dice, leaf);
    case 4:
        return cherries(brush, dice, leaf);
    default:
        return strawberry(brush, dice, leaf);
    }
}

} // namespace espalier::data::garden
