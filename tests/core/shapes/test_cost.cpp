// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/cost.h"

#include "core/shapes/parameters.h"

#include <gtest/gtest.h>

namespace espalier::shapes {

TEST(Cost, CountsASmallNetworkAsByHand)
{
    config::UNetConfig unet;
    unet.hidChannels = 32;
    unet.chMultipliers = {1};
    unet.applyAttn = {false};
    unet.numResBlocks = 1;
    const ModelShape shape{3, 3, 8, unet};
    const double p = 64; // positions
    const double embed = 32 * 128 + 128 * 128, fc = 128 * 32;
    const double in = 9 * 3 * 32 * p, out = 9 * 32 * 3 * p;
    const double same = 2 * 9 * 32 * 32 * p + fc;                               // residual block 32 -> 32
    const double joined = 9 * 64 * 32 * p + 9 * 32 * 32 * p + 64 * 32 * p + fc; // after concatenation: 64 -> 32, with a skip
    const double attention = 32 * 96 * p + 32 * 32 * p + 2 * 32 * p * p;
    EXPECT_DOUBLE_EQ(forwardFlops(shape), 2 * (embed + in + same + 2 * same + attention + 2 * joined + out));
    EXPECT_DOUBLE_EQ(trainingFlops(shape), 3 * forwardFlops(shape));
}

TEST(Cost, OfThePublishedCifarModelIsKnown)
{
    // Multiply-adds summed over the published table of blocks: in, out, resolution, attention.
    struct Block {
        double in, out, side;
        bool attends;
    };
    const Block blocks[] = {{128, 128, 32, false}, {128, 128, 32, false}, {128, 256, 16, true}, {256, 256, 16, true}, {256, 256, 8, false},
                            {256, 256, 8, false},  {256, 256, 4, false},  {256, 256, 4, false}, {256, 256, 4, true},  {256, 256, 4, false},
                            {512, 256, 4, false},  {512, 256, 4, false},  {512, 256, 4, false}, {512, 256, 8, false}, {512, 256, 8, false},
                            {512, 256, 8, false},  {512, 256, 16, true},  {512, 256, 16, true}, {384, 256, 16, true}, {384, 128, 32, false},
                            {256, 128, 32, false}, {256, 128, 32, false}};
    double sum = 128 * 512 + 512 * 512 + 2 * 9 * 3 * 128 * 1024; // embedding, first and last convolution
    for (const auto& b : blocks) {
        const double p = b.side * b.side;
        sum += 9 * b.in * b.out * p + 512 * b.out + 9 * b.out * b.out * p + (b.in != b.out ? b.in * b.out * p : 0);
        sum += b.attends ? 4 * b.out * b.out * p + 2 * b.out * p * p : 0;
    }
    sum += 9 * 128 * 128 * 256 + 9 * 256 * 256 * (64 + 16) + 9 * 256 * 256 * (64 + 256 + 1024); // resampling, down and up
    const ModelShape shape;
    EXPECT_DOUBLE_EQ(forwardFlops(shape), 2 * sum);
    ModelShape larger = shape;
    larger.side = 64;
    EXPECT_GT(forwardFlops(larger), 4 * forwardFlops(shape)); // attention grows faster than the picture
}

TEST(Cost, MemoryFollowsOptimizerAveragesAndBatch)
{
    const ModelShape shape;
    config::TrainingConfig training;
    const auto bytes = 4 * parameterCount(shape);
    const auto one = trainingMemory(shape, training, 1), eight = trainingMemory(shape, training, 8);
    EXPECT_EQ(one.weights, bytes);
    EXPECT_EQ(one.gradients, bytes);
    EXPECT_EQ(one.moments, 2 * bytes);
    EXPECT_EQ(one.averages, bytes);
    EXPECT_NEAR(static_cast<double>(eight.activations), 8.0 * static_cast<double>(one.activations), 8.0);
    EXPECT_EQ(one.total(), 5 * bytes + one.activations);
    training.optimizer = config::OptimizerKind::Sgd;
    training.ema.decays = {};
    training.precision = config::Precision::Bf16;
    const auto small = trainingMemory(shape, training, 1);
    EXPECT_EQ(small.moments, bytes);
    EXPECT_EQ(small.averages, 0);
    EXPECT_LT(small.activations, one.activations);
    training.momentum = 0.0;
    EXPECT_EQ(trainingMemory(shape, training, 1).moments, 0);
}

} // namespace espalier::shapes
