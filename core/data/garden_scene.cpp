// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden_scene.h"

namespace espalier::data::garden {

namespace {

/// How a kind of thing may stand in a picture.
struct Habit {
    void (*draw)(Brush, Dice&);
    bool stands;             // on the ground, hence upright
    float smallest, largest; // half its height
    float turns;             // at most, each way
    int places[6];           // weights of meadow, bed, plate, thicket, wall, desert
};

const Habit& habitOf(Subject subject)
{
    static constexpr Habit kHabits[kSubjects] = {
        {drawLeaf, false, 0.34f, 0.45f, 0.5f, {2, 2, 6, 2, 2, 0}},       {drawFlower, false, 0.34f, 0.46f, 0.05f, {4, 3, 3, 3, 2, 0}},
        {drawFruit, false, 0.3f, 0.42f, 0.08f, {1, 1, 4, 3, 5, 0}},      {drawTree, true, 0.36f, 0.45f, 0.012f, {8, 2, 2, 0, 0, 1}},
        {drawMushroom, true, 0.3f, 0.4f, 0.03f, {4, 4, 2, 4, 0, 0}},     {drawButterfly, false, 0.32f, 0.44f, 0.14f, {4, 1, 4, 3, 1, 0}},
        {drawCactus, true, 0.32f, 0.43f, 0.02f, {1, 0, 2, 0, 4, 7}},     {drawLadybird, false, 0.28f, 0.4f, 0.5f, {2, 2, 3, 5, 1, 0}},
        {drawWateringCan, true, 0.3f, 0.38f, 0.02f, {4, 4, 1, 1, 3, 0}}, {drawSnail, true, 0.3f, 0.39f, 0.03f, {4, 4, 2, 3, 1, 0}},
    };
    return kHabits[static_cast<int>(subject)];
}

Backdrop placeOf(const Habit& habit, Dice& dice)
{
    int sum = 0;
    for (const int weight : habit.places)
        sum += weight;
    int left = dice.below(sum), i = 0;
    while (left >= habit.places[i])
        left -= habit.places[i++];
    return static_cast<Backdrop>(i);
}

} // namespace

void drawScene(Canvas& canvas, Subject subject, Dice& dice)
{
    const Habit& habit = habitOf(subject);
    const Backdrop place = placeOf(habit, dice);
    const float horizon = drawBackdrop(canvas, place, dice);

    Frame frame;
    frame.scale = dice.range(habit.smallest, habit.largest);
    frame.direction = turn(dice.range(-habit.turns, habit.turns));
    frame.mirrored = dice.chance(0.5f);
    const float drift = 0.5f - frame.scale;
    frame.origin.x = 0.5f + dice.range(-1.0f, 1.0f) * (drift + 0.02f);
    if (habit.stands) { // its foot lies on the ground, somewhere between the horizon and the lower edge
        const float lowest = 0.97f, highest = horizon + 0.12f > 0.9f ? 0.9f : horizon + 0.12f;
        float foot = dice.range(highest, lowest);
        if (foot < 2 * frame.scale + 0.02f)
            foot = 2 * frame.scale + 0.02f;
        frame.origin.y = foot - frame.scale;
    } else {
        frame.origin.y = 0.5f + dice.range(-1.0f, 1.0f) * drift;
    }
    habit.draw(Brush(canvas, frame), dice);
    if (dice.chance(0.4f))
        drawForeground(canvas, place, dice);
}

} // namespace espalier::data::garden
