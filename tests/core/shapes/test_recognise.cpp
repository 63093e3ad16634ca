// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/parameters.h"
#include "core/shapes/recognise.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace espalier::shapes {

namespace {

std::vector<NamedShape> tensorsOf(const ModelShape& shape, const std::string& prefix = "")
{
    std::vector<NamedShape> tensors;
    for (const auto& parameter : parameterTable(shape))
        tensors.push_back({prefix + parameter.name, parameter.shape});
    return tensors;
}

ModelShape shapeWith(config::UNetConfig unet, std::int64_t channels = 3)
{
    unet.dropRate = 0.0;
    return {channels, channels, 0, unet};
}

} // namespace

TEST(Recognise, FindsEveryOptionOfTheUNetWhateverTheOrder)
{
    config::UNetConfig cifar, pooled, folded, flat, attending, uneven, swelling;
    pooled.resampleWithConv = false;
    folded.blockSize = 2;
    flat.chMultipliers = {1};
    flat.applyAttn = {false};
    flat.numResBlocks = 3;
    attending.hidChannels = 32;
    attending.chMultipliers = {1, 3, 2};
    attending.applyAttn = {true, false, true};
    attending.numResBlocks = 1;
    attending.numClasses = 7;
    uneven = config::withLevelBlocks(attending, {1, 3, 2});
    uneven.numResBlocks = 3; // says nothing there
    swelling = config::withLevelBlocks(pooled, {4, 1, 1, 1});
    swelling.numResBlocks = 4;
    for (const auto& shape : {shapeWith(cifar), shapeWith(pooled), shapeWith(folded), shapeWith(flat), shapeWith(attending, 1),
                              shapeWith(uneven), shapeWith(swelling)}) {
        for (const std::string prefix : {"", "module."}) {
            auto tensors = tensorsOf(shape, prefix);
            std::reverse(tensors.begin(), tensors.end());
            const auto found = recognise(tensors);
            ASSERT_TRUE(found) << found.error().message;
            EXPECT_EQ(found->shape, shape) << describe(shape);
            EXPECT_EQ(found->prefix, prefix);
        }
    }
}

TEST(Recognise, FindsTransformersWithWhatWeightsSay)
{
    const config::DitConfig pixels{.hiddenSize = 96, .depth = 3, .numHeads = 1, .mlpRatio = 2.0},
        latents{.patchSize = 4, .hiddenSize = 1152, .depth = 2, .numHeads = 16, .learnSigma = true, .numClasses = 1000},
        staged{.hiddenSize = 128, .depth = 2, .numHeads = 2, .numClasses = 10, .numStages = 4};
    const config::VitConfig tiny{.hiddenSize = 128, .depth = 2, .numHeads = 2, .mlpRatio = 100.0 / 128.0, .pooling = config::Pooling::Mean},
        huge{.patchSize = 14, .hiddenSize = 1280, .depth = 2, .numHeads = 16, .numClasses = 1000, .qkvBias = false, .normEpsilon = 1e-5};
    for (const auto& shape : {ModelShape{3, 3, 16, pixels}, {4, 8, 32, latents}, {3, 3, 16, staged}, {3, 0, 32, tiny}, {3, 0, 224, huge}}) {
        for (const std::string prefix : {"", "module."}) {
            auto tensors = tensorsOf(shape, prefix);
            std::reverse(tensors.begin(), tensors.end());
            const auto found = recognise(tensors);
            ASSERT_TRUE(found) << found.error().message;
            EXPECT_EQ(found->shape, shape) << describe(shape);
            EXPECT_EQ(found->prefix, prefix);
            EXPECT_EQ(found->assumed.front(), "model.num_heads");
        }
    }
}

TEST(Recognise, TransformersThatCannotBeAreExplained)
{
    const auto good = tensorsOf({4, 8, 32, config::DitConfig{.learnSigma = true, .numClasses = 10}});
    ASSERT_TRUE(recognise(good));
    for (const char* name : {"x_embedder.proj.weight", "pos_embed", "blocks.0.mlp.fc1.weight", "final_layer.linear.weight",
                             "y_embedder.embedding_table.weight", "blocks.11.attn.qkv.bias"}) {
        for (const auto& shape : {std::vector<std::int64_t>{0, 4, 2, 2}, {-1, -1, -1}, {1LL << 62, 1LL << 62}, {1LL << 62}, {}}) {
            auto hostile = good;
            for (auto& tensor : hostile) {
                if (tensor.name == name)
                    tensor.shape = shape;
            }
            EXPECT_FALSE(recognise(hostile)) << name;
        }
        auto missing = good;
        std::erase_if(missing, [&](const NamedShape& tensor) { return tensor.name == name; });
        EXPECT_FALSE(recognise(missing)) << name;
    }
}

TEST(Recognise, SaysWhyNot)
{
    const auto good = tensorsOf(shapeWith({}));
    const auto reason = [](const std::vector<NamedShape>& tensors) {
        const auto found = recognise(tensors);
        return found ? "" : found.error().message;
    };
    auto missing = good;
    missing.erase(missing.begin() + 100);
    EXPECT_NE(reason(missing).find(good[100].name + " is missing"), std::string::npos) << reason(missing);
    auto more = good;
    more.push_back({"label_table.weight", {10, 512}});
    EXPECT_NE(reason(more).find("also holds label_table.weight"), std::string::npos) << reason(more);
    auto wide = good;
    wide[50].shape = {7};
    EXPECT_NE(reason(wide).find("has shape [7]"), std::string::npos) << reason(wide);
    auto twice = good;
    twice.push_back(good[3]);
    EXPECT_NE(reason(twice).find("twice"), std::string::npos);
    EXPECT_NE(reason({}), "");
    EXPECT_NE(reason({{"x", {1}}}), "");
    for (const auto& shape : {std::vector<std::int64_t>{0, 3, 3, 3}, {-1, 3, 3, 3}, {1 << 30, 3, 3, 3}, {128, 0, 3, 3}, {}}) {
        auto hostile = good;
        for (auto& tensor : hostile) {
            if (tensor.name == "in_conv.weight")
                tensor.shape = shape;
        }
        EXPECT_NE(reason(hostile), "");
    }
}

} // namespace espalier::shapes
