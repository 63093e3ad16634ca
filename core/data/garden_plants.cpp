// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden_scene.h"

#include <array>

namespace espalier::data::garden {

namespace {

constexpr Rgb kBark = hex(0x7a5238);

void veins(Brush& brush, float half, Rgb colour, int pairs)
{
    brush.stroke({{0, 0.85f}, {0, 0.0f}, {0, -0.75f}}, 0.045f, 0.012f, flat(colour));
    for (int i = 0; i < pairs; ++i) {
        const float y = mix(0.42f, -0.45f, static_cast<float>(i) / static_cast<float>(pairs - 1));
        const float reach = half * mix(0.72f, 0.5f, static_cast<float>(i) / static_cast<float>(pairs - 1));
        brush.stroke({{0, y}, {reach, y - 0.27f}}, 0.025f, 0.008f, flat(colour, 0.8f));
        brush.stroke({{0, y}, {-reach, y - 0.27f}}, 0.025f, 0.008f, flat(colour, 0.8f));
    }
}

void twinLeaf(Brush& brush, Vec base, Vec tip, float half, Rgb colour)
{
    brush.leaf(base, tip, half, 0, 0.45f, shaded(colour));
    brush.stroke({base, mix(base, tip, 0.8f)}, 0.018f, 0.008f, flat(lighter(colour, 0.35f)));
}

void lobedLeaf(Brush& brush, Rgb colour) // an oak's
{
    static constexpr std::array<Vec, 9> kRight{{{0.02f, 0.8f},
                                                {0.24f, 0.52f},
                                                {0.46f, 0.5f},
                                                {0.3f, 0.24f},
                                                {0.6f, 0.06f},
                                                {0.34f, -0.14f},
                                                {0.5f, -0.42f},
                                                {0.26f, -0.52f},
                                                {0.2f, -0.8f}}};
    std::array<Vec, 19> all;
    for (std::size_t i = 0; i < 9; ++i) {
        all[i] = kRight[i];
        all[18 - i] = {-kRight[i].x, kRight[i].y};
    }
    all[9] = {0, -0.95f};
    brush.curve(all, shaded(colour));
}

void palmateLeaf(Brush& brush, Rgb colour) // a maple's
{
    static constexpr std::array<Vec, 8> kRight{
        {{0.0f, 0.62f}, {0.3f, 0.66f}, {0.62f, 0.45f}, {0.42f, 0.26f}, {0.9f, -0.12f}, {0.42f, -0.16f}, {0.44f, -0.56f}, {0.2f, -0.4f}}};
    std::array<Vec, 17> all;
    for (std::size_t i = 0; i < 8; ++i) {
        all[i] = kRight[i];
        all[16 - i] = {-kRight[i].x, kRight[i].y};
    }
    all[8] = {0, -1.0f};
    brush.polygon(all, shaded(colour));
}

} // namespace

void drawLeaf(Brush brush, Dice& dice)
{
    static constexpr Rgb kAutumn[] = {hex(0xc8442c), hex(0xd9822b), hex(0xe0ad38), hex(0x9c3b4a), hex(0xb5622f)};
    const bool autumn = dice.chance(0.38f);
    const Rgb colour = autumn ? varied(dice, dice.pick(kAutumn)) : green(dice);
    const Rgb vein = lighter(colour, 0.45f);
    const float stemBend = dice.range(-0.2f, 0.2f);
    brush.stroke({{0, 0.55f}, {stemBend * 0.4f, 0.9f}, {stemBend, 1.2f}}, 0.05f, 0.06f, flat(darker(mix(colour, kBark, 0.4f), 0.15f)));
    const int kind = dice.below(5);
    float half = 0.5f;
    if (kind == 0) {
        lobedLeaf(brush, colour);
    } else if (kind == 1) {
        palmateLeaf(brush, colour);
        for (const Vec tip : {Vec{0.6f, -0.06f}, Vec{-0.6f, -0.06f}, Vec{0.4f, 0.42f}, Vec{-0.4f, 0.42f}})
            brush.stroke({{0, 0.55f}, tip}, 0.03f, 0.01f, flat(vein, 0.8f));
        brush.stroke({{0, 0.6f}, {0, -0.75f}}, 0.04f, 0.01f, flat(vein));
        return;
    } else {
        half = kind == 2 ? dice.range(0.3f, 0.4f) : dice.range(0.48f, 0.68f);
        const float belly = kind == 4 ? 0.28f : dice.range(0.36f, 0.52f);
        const Vec base{0, 0.78f}, tip{0, -0.98f};
        brush.leaf(base, tip, half, 0, belly, shaded(colour));
        brush.leaf({0, 0.72f}, {0, -0.9f}, half * 0.46f, half * 0.42f, belly, flat(lighter(colour, 0.16f))); // the lit half
    }
    veins(brush, half, vein, dice.between(3, 4));
}

void drawFlower(Brush brush, Dice& dice)
{
    const Rgb stalk = green(dice);
    const float lean = dice.range(-0.3f, 0.3f);
    const Vec head{0, -0.3f};
    brush.stroke({head, {lean * 0.4f, 0.5f}, {lean, 1.9f}}, 0.06f, 0.075f, shaded(stalk, 0.02f));
    const int leaves = dice.below(3);
    for (int i = 0; i < leaves; ++i) {
        const float way = i == 0 ? 1.0f : -1.0f;
        const float y = dice.range(0.75f, 1.15f);
        const float reach = dice.range(0.5f, 0.8f);
        twinLeaf(brush, {lean * 0.45f, y}, {lean * 0.45f + way * reach, y - 0.38f}, 0.15f, stalk);
    }
    const Rgb petal = bright(dice);
    static constexpr Rgb kHearts[] = {hex(0xf2c230), hex(0xe8962e), hex(0x6b4226), hex(0xf6e27a), hex(0x4b3a52)};
    Rgb heart = varied(dice, dice.pick(kHearts), 0.04f);
    const float start = dice.uniform();
    const auto ring = [&](int count, float from, float reach, float half, float belly, Rgb colour, float offset) {
        for (int i = 0; i < count; ++i) {
            const Vec way = turn(start + (static_cast<float>(i) + offset) / static_cast<float>(count));
            brush.leaf(head + way * from, head + way * reach, half, 0, belly, shaded(colour, 0.03f));
        }
    };
    switch (dice.below(5)) {
    case 0: { // daisy
        const int count = dice.between(9, 12);
        ring(count, 0.1f, 0.72f, 0.14f, 0.68f, petal, 0);
        brush.circle(head, 0.23f, shaded(heart, 0.03f));
        break;
    }
    case 1: { // five round petals
        const int count = dice.between(5, 6);
        const float radius = dice.range(0.27f, 0.32f);
        for (int i = 0; i < count; ++i)
            brush.circle(head + turn(start + static_cast<float>(i) / static_cast<float>(count)) * 0.4f, radius, shaded(petal, 0.03f));
        brush.circle(head, 0.2f, shaded(heart, 0.03f));
        break;
    }
    case 2: { // sunflower: two rows and a broad heart
        ring(12, 0.2f, 0.78f, 0.13f, 0.5f, darker(petal, 0.16f), 0.5f);
        ring(12, 0.2f, 0.7f, 0.13f, 0.5f, petal, 0);
        heart = mix(heart, hex(0x5a3a22), 0.7f);
        brush.circle(head, 0.36f, shaded(heart, 0.03f));
        brush.circle(head, 0.2f, flat(darker(heart, 0.25f), 0.6f));
        break;
    }
    case 3: { // tulip from the side
        const float open = dice.range(0.0f, 0.14f);
        const Brush cup = brush.at({0, -0.35f}, 1.05f);
        Brush b = cup;
        b.leaf({0, 0.5f}, {0, -0.62f}, 0.3f, 0, 0.5f, shaded(darker(petal, 0.16f), 0.03f));
        b.curve({{0, 0.52f}, {-0.4f, 0.36f}, {-0.5f - open * 0.5f, -0.1f}, {-0.42f - open, -0.58f}, {-0.1f, -0.2f}, {0.06f, 0.2f}},
                shaded(petal, 0.03f));
        b.curve({{0, 0.52f}, {0.4f, 0.36f}, {0.5f + open * 0.5f, -0.1f}, {0.42f + open, -0.58f}, {0.1f, -0.2f}, {-0.06f, 0.2f}},
                shaded(lighter(petal, 0.08f), 0.03f));
        break;
    }
    default: { // poppy: four broad petals
        for (int i = 0; i < 4; ++i) {
            const Vec way = turn(start + static_cast<float>(i) / 4);
            brush.circle(head + way * 0.32f, 0.4f, shaded(i % 2 ? petal : lighter(petal, 0.1f), 0.03f));
        }
        brush.circle(head, 0.2f, flat(darker(petal, 0.75f)));
        brush.circle(head, 0.09f, flat(lighter(stalk, 0.3f)));
        break;
    }
    }
}

void drawTree(Brush brush, Dice& dice)
{
    static constexpr Rgb kCrowns[] = {hex(0x4f8a3c), hex(0x6fa544), hex(0x2f6e4a), hex(0x8aa63a), hex(0xd98a2f),
                                      hex(0xc2512f), hex(0xe3b23c), hex(0xe6a3b8), hex(0x3f7f6b)};
    brush.ellipse({0.05f, 1.0f}, 0.62f, 0.1f, flat(hex(0x1d2b1a), 0.28f));
    const Rgb bark = varied(dice, dice.chance(0.2f) ? hex(0xd9d2c4) : kBark);
    const Rgb crown = varied(dice, dice.pick(kCrowns));
    const float lean = dice.range(-0.08f, 0.08f);
    const int kind = dice.below(4);
    if (kind == 0) { // conifer
        const Rgb needles = varied(dice, dice.chance(0.5f) ? hex(0x2f6648) : hex(0x3f7d58));
        brush.polygon({{-0.1f, 1.0f}, {0.1f, 1.0f}, {0.07f, 0.5f}, {-0.07f, 0.5f}}, shaded(bark));
        const int tiers = dice.between(3, 4);
        const float broad = dice.range(0.55f, 0.72f);
        for (int i = 0; i < tiers; ++i) {
            const float t = static_cast<float>(i) / static_cast<float>(tiers);
            const float foot = mix(0.7f, -0.45f, t), top = foot - mix(0.95f, 0.62f, t), half = mix(broad, 0.32f, t);
            brush.curve({{0, top},
                         {half * 0.45f, mix(top, foot, 0.6f)},
                         {half, foot},
                         {0, foot + 0.08f},
                         {-half, foot},
                         {-half * 0.45f, mix(top, foot, 0.6f)}},
                        shaded(lighter(needles, t * 0.16f)));
        }
        return;
    }
    brush.polygon({{-0.13f, 1.0f}, {0.13f, 1.0f}, {0.07f + lean, -0.1f}, {-0.07f + lean, -0.1f}}, shaded(bark));
    if (kind == 1) { // poplar
        const float half = dice.range(0.32f, 0.42f);
        brush.curve({{lean, -1.0f},
                     {half * 0.75f, -0.55f},
                     {half, 0.05f},
                     {half * 0.6f, 0.5f},
                     {lean, 0.62f},
                     {-half * 0.6f, 0.5f},
                     {-half, 0.05f},
                     {-half * 0.75f, -0.55f}},
                    shaded(crown));
        brush.leaf({-half * 0.3f, 0.4f}, {-0.05f, -0.85f}, half * 0.28f, 0.03f, 0.5f, flat(lighter(crown, 0.2f), 0.6f));
        return;
    }
    brush.stroke({{lean, 0.3f}, {0.2f, 0.02f}, {0.34f, -0.2f}}, 0.05f, 0.03f, flat(darker(bark, 0.1f)));
    brush.stroke({{lean, 0.36f}, {-0.2f, 0.05f}, {-0.34f, -0.15f}}, 0.05f, 0.03f, flat(darker(bark, 0.1f)));
    std::array<Brush::Disc, 7> discs;
    const float wide = dice.range(0.85f, 1.1f);
    static constexpr std::array<Vec, 7> kPlaces{
        {{0, -0.62f}, {-0.4f, -0.42f}, {0.4f, -0.42f}, {-0.5f, -0.05f}, {0.5f, -0.05f}, {0.0f, 0.02f}, {0, -0.3f}}};
    for (std::size_t i = 0; i < discs.size(); ++i) {
        const float dx = dice.range(-0.08f, 0.08f), dy = dice.range(-0.08f, 0.08f);
        discs[i] = {{kPlaces[i].x * wide + dx, kPlaces[i].y + dy}, dice.range(0.28f, 0.36f)};
    }
    brush.blob(discs, shaded(crown, 0.045f));
    for (std::size_t i = 0; i < 3; ++i)
        brush.circle({discs[i].centre.x - 0.06f, discs[i].centre.y - 0.07f}, discs[i].radius * 0.6f, flat(lighter(crown, 0.22f), 0.45f));
    if (kind == 3) { // something grows on it
        const Rgb berry = bright(dice);
        const int count = dice.between(5, 8);
        for (int i = 0; i < count; ++i) {
            const float x = dice.range(-0.6f, 0.6f);
            const float y = dice.range(-0.75f, 0.12f);
            brush.circle({x * (1 - 0.35f * std::fabs(y + 0.3f)), y}, 0.085f, shaded(berry, 0.02f));
        }
    }
}

void drawMushroom(Brush brush, Dice& dice)
{
    static constexpr Rgb kCaps[] = {hex(0xc8352e), hex(0xb5452f), hex(0x9a6a3c), hex(0xd99a3a),
                                    hex(0x7d5a86), hex(0xcf7f4a), hex(0xb98a64)};
    const Rgb cap = varied(dice, dice.pick(kCaps));
    const Rgb flesh = varied(dice, hex(0xf1e6cf), 0.03f);
    const auto one = [&](Brush b) {
        const float bend = dice.range(-0.12f, 0.12f);
        const float thick = dice.range(0.14f, 0.22f);
        const float wide = dice.range(0.68f, 0.9f);
        const float high = dice.range(0.55f, 0.85f);
        b.ellipse({0.04f, 1.0f}, 0.5f, 0.09f, flat(hex(0x1d2b1a), 0.28f));
        b.curve({{bend - thick * 0.8f, -0.05f},
                 {-thick * 0.85f, 0.5f},
                 {-thick * 1.3f, 0.95f},
                 {0, 1.03f},
                 {thick * 1.3f, 0.95f},
                 {thick * 0.85f, 0.5f},
                 {bend + thick * 0.8f, -0.05f}},
                shaded(flesh));
        b.ellipse({bend, 0.02f}, wide * 0.92f, 0.17f, shaded(darker(flesh, 0.2f)));
        b.curve({{bend - wide, 0.06f},
                 {bend - wide * 0.86f, -high * 0.5f},
                 {bend - wide * 0.4f, -high * 0.95f},
                 {bend, -high * 1.05f},
                 {bend + wide * 0.4f, -high * 0.95f},
                 {bend + wide * 0.86f, -high * 0.5f},
                 {bend + wide, 0.06f},
                 {bend + wide * 0.5f, -0.02f},
                 {bend, -0.04f},
                 {bend - wide * 0.5f, -0.02f}},
                shaded(cap));
        b.ellipse({bend - wide * 0.35f, -high * 0.62f}, wide * 0.28f, high * 0.14f, flat(lighter(cap, 0.5f), 0.5f), -0.09f);
        if (dice.chance(0.6f)) {
            static constexpr std::array<Vec, 6> kDots{
                {{-0.55f, -0.3f}, {-0.08f, -0.32f}, {0.44f, -0.3f}, {0.16f, -0.72f}, {-0.3f, -0.68f}, {0.72f, -0.12f}}};
            for (const Vec dot : kDots)
                b.ellipse({bend + dot.x * wide, dot.y * high}, dice.range(0.07f, 0.12f), 0.075f, flat(lighter(flesh, 0.4f)));
        }
    };
    if (dice.chance(0.45f)) {
        const float way = dice.sign();
        const float scale = dice.range(0.42f, 0.58f);
        one(brush.at({way * 0.7f, 1.0f - scale}, scale));
    }
    one(brush);
}

void drawCactus(Brush brush, Dice& dice)
{
    static constexpr Rgb kSkins[] = {hex(0x4f8f5b), hex(0x6aa15e), hex(0x3f7a63), hex(0x7fa35a), hex(0x5d9a84)};
    const Rgb skin = varied(dice, dice.pick(kSkins));
    const Rgb rib = lighter(skin, 0.3f), blossom = bright(dice);
    brush.ellipse({0.04f, 1.0f}, 0.55f, 0.09f, flat(hex(0x2b2418), 0.28f));
    const bool pot = dice.chance(0.45f);
    const float foot = pot ? 0.5f : 1.0f;
    const auto flower = [&](Vec at) {
        for (int i = 0; i < 5; ++i)
            brush.circle(at + turn(static_cast<float>(i) / 5 + 0.05f) * 0.1f, 0.085f, shaded(blossom, 0.02f));
        brush.circle(at, 0.06f, flat(hex(0xf6dc6a)));
    };
    switch (dice.below(3)) {
    case 0: { // a column with arms
        const float thick = dice.range(0.2f, 0.27f), top = dice.range(-0.85f, -0.6f);
        const int arms = dice.between(1, 2);
        for (int i = 0; i < arms; ++i) {
            const float way = i == 0 ? 1.0f : -1.0f;
            const float y = mix(foot, top, dice.range(0.3f, 0.5f));
            const float reach = dice.range(0.5f, 0.62f);
            const float rise = dice.range(0.4f, 0.65f);
            brush.stroke({{0, y}, {way * reach * 0.7f, y - 0.02f}, {way * reach, y - 0.2f}, {way * reach, y - rise}}, 0.12f, 0.12f,
                         shaded(skin));
        }
        brush.stroke({{0, foot + 0.05f}, {0, top + thick}}, thick, thick, shaded(skin));
        for (const float x : {-0.5f, 0.0f, 0.5f})
            brush.stroke({{x * thick, foot}, {x * thick, top + thick * 0.7f}}, 0.018f, 0.018f, flat(rib, 0.75f));
        if (dice.chance(0.5f))
            flower({0, top});
        break;
    }
    case 1: { // a barrel
        const float rx = dice.range(0.5f, 0.62f);
        const float ry = pot ? 0.52f : dice.range(0.58f, 0.72f);
        const Vec centre{0, foot - ry * 0.86f};
        brush.ellipse(centre, rx, ry, shaded(skin));
        for (const float x : {-0.62f, -0.22f, 0.22f, 0.62f})
            brush.stroke({{x * rx * 0.6f, centre.y - ry * 0.84f}, {x * rx * 1.25f, centre.y}, {x * rx * 0.6f, centre.y + ry * 0.84f}},
                         0.025f, 0.025f, flat(rib, 0.8f));
        if (dice.chance(0.7f))
            flower({0, centre.y - ry});
        break;
    }
    default: { // flat pads, one on the other
        const float tilt = dice.range(0.05f, 0.11f), way = dice.sign();
        const Vec low{0, foot - 0.42f}, left{-0.36f, foot - 1.02f}, right{0.38f, foot - 0.98f};
        brush.ellipse(left, 0.24f, 0.38f, shaded(skin), -tilt);
        brush.ellipse(right, 0.25f, 0.36f, shaded(lighter(skin, 0.06f)), tilt);
        brush.ellipse(low, 0.34f, 0.5f, shaded(skin));
        for (const Vec pad : {left, right, low})
            for (const Vec dot : {Vec{-0.09f, -0.12f}, Vec{0.1f, -0.02f}, Vec{-0.06f, 0.14f}})
                brush.circle(pad + dot, 0.028f, flat(rib));
        if (dice.chance(0.6f))
            flower(way > 0 ? Vec{0.5f, foot - 1.32f} : Vec{-0.5f, foot - 1.38f});
        break;
    }
    }
    if (pot) {
        static constexpr Rgb kPots[] = {hex(0xc06a42), hex(0xb4553a), hex(0x8fa7b5), hex(0xd8b48a), hex(0x6f7fa0)};
        const Rgb clay = varied(dice, dice.pick(kPots));
        brush.polygon({{-0.48f, 0.5f}, {0.48f, 0.5f}, {0.36f, 1.02f}, {-0.36f, 1.02f}}, shaded(clay));
        brush.polygon({{-0.56f, 0.4f}, {0.56f, 0.4f}, {0.54f, 0.58f}, {-0.54f, 0.58f}}, shaded(lighter(clay, 0.1f)));
    }
}

} // namespace espalier::data::garden
