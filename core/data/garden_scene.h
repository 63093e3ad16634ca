// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/garden_brush.h"
#include "core/data/garden_dice.h"

#include <string>
#include <vector>

namespace espalier::data::garden {

enum class Subject { Leaf, Flower, Fruit, Tree, Mushroom, Butterfly, Cactus, Ladybird, WateringCan, Snail };
inline constexpr int kSubjects = 10;

/// What lies behind a subject.
enum class Backdrop { Meadow, Bed, Plate, Thicket, Wall, Desert };

/// Colours that a scene throws dice for.
Rgb varied(Dice& dice, Rgb colour, float by = 0.05f);
Rgb green(Dice& dice);
Rgb bright(Dice& dice); // of petals and wings

Paint flat(Rgb colour, float alpha = 1);
/// Lit from the upper left, with a thin darker outline.
Paint shaded(Rgb colour, float rim = 0.035f);

// Each draws around the origin of its frame, roughly within [-1, 1]; standing things have their foot at (0, 1).
void drawLeaf(Brush brush, Dice& dice);
void drawFlower(Brush brush, Dice& dice);
void drawFruit(Brush brush, Dice& dice);
void drawTree(Brush brush, Dice& dice);
void drawMushroom(Brush brush, Dice& dice);
void drawCactus(Brush brush, Dice& dice);
void drawButterfly(Brush brush, Dice& dice);
void drawLadybird(Brush brush, Dice& dice);
void drawWateringCan(Brush brush, Dice& dice);
void drawSnail(Brush brush, Dice& dice);

/// Draws it over the whole canvas and says at which height things stand.
float drawBackdrop(Canvas& canvas, Backdrop backdrop, Dice& dice);
/// Things before the subject that may hide a part of it.
void drawForeground(Canvas& canvas, Backdrop backdrop, Dice& dice);

/// One whole picture, without its grain.
void drawScene(Canvas& canvas, Subject subject, Dice& dice);

} // namespace espalier::data::garden
