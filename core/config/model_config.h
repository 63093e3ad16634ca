// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/field.h"

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

namespace espalier::config {

/// What becomes of a table of classes, or of the head of a classifier, when a run begins with weights of another (init.from).
enum class Labels { Reuse, Fresh };
template <>
struct Names<Labels> {
    static constexpr std::array<std::pair<Labels, const char*>, 2> kAll{{{Labels::Reuse, "reuse"}, {Labels::Fresh, "fresh"}}};
};

/// The U-Net of the DDPM baseline (Ho et al. 2020, appendix B; names as in tqch/ddpm-torch).
struct UNetConfig { // path "model", kind "unet"
    static constexpr const char* kKind = "unet";
    static constexpr std::int64_t kMaxLevelBlocks = 16;
    std::int64_t hidChannels = 128;
    std::vector<std::int64_t> chMultipliers{1, 2, 2, 2};
    std::int64_t numResBlocks = 2;
    std::vector<std::int64_t> levelBlocks; // empty: numResBlocks in each; see blocksOfLevels()
    std::vector<bool> applyAttn{false, true, false, false};
    double dropRate = 0.1;
    bool resampleWithConv = true;
    std::int64_t blockSize = 1;
    std::int64_t numClasses = 0;
    double classDropoutProb = 0.1;
    Labels labels = Labels::Reuse;
    bool operator==(const UNetConfig&) const = default;
    static void describe(auto& self, auto&& field)
    {
        field("hid_channels", self.hidChannels, "Channels of the first level; a multiple of 32",
              {.min = 32, .max = 4096, .unit = "channels"});
        field("ch_multipliers", self.chMultipliers, "Channels of each level as multiples of the first; the first is 1",
              {.min = 1, .max = 64});
        field("num_res_blocks", self.numResBlocks, "Residual blocks in each level", {.min = 1, .max = kMaxLevelBlocks, .unit = "blocks"});
        field("level_blocks", self.levelBlocks,
              "Residual blocks of each level, from the first, where they differ; as long as the multipliers. Empty: num_res_blocks in each",
              {.min = 1, .max = kMaxLevelBlocks, .unit = "blocks", .advanced = true, .unwrittenEmpty = true});
        field("apply_attn", self.applyAttn, "Which levels have self-attention; as long as the multipliers");
        field("drop_rate", self.dropRate, "Dropout inside residual blocks", {.min = 0.0, .max = 0.9});
        field("resample_with_conv", self.resampleWithConv, "Change resolution with convolutions; otherwise pooling and nearest neighbour",
              {.advanced = true});
        field("block_size", self.blockSize, "Pixels folded into channels before the network (1: none)",
              {.min = 1, .max = 16, .advanced = true});
        field("num_classes", self.numClasses, "Classes that the network is told of, as many as the data have; 0: it is told none",
              {.min = 0, .max = 1'000'000, .unit = "classes"});
        field("class_dropout_prob", self.classDropoutProb,
              "Share of the images whose class is hidden, so that the network can be guided away from \"any class\" when it draws",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field(
            "labels", self.labels,
            "Begun with other weights (init.from): reuse their first rows of classes and their row of any class, or draw the table afresh",
            {.advanced = true});
    }
};

/// Residual blocks of each level, from the first.
inline std::vector<std::int64_t> blocksOfLevels(const UNetConfig& unet)
{
    return unet.levelBlocks.empty() ? std::vector<std::int64_t>(unet.chMultipliers.size(), unet.numResBlocks) : unet.levelBlocks;
}
/// The same network with other blocks in its levels, as many as there are levels. Where all are equal it is written as ever.
UNetConfig withLevelBlocks(UNetConfig unet, std::vector<std::int64_t> blocks);

/// The diffusion transformer (Peebles and Xie 2022; names as in facebookresearch/DiT). docs/models.md lists the published sizes.
struct DitConfig { // path "model", kind "dit"
    static constexpr const char* kKind = "dit";
    std::int64_t patchSize = 2, hiddenSize = 384, depth = 12, numHeads = 6;
    double mlpRatio = 4.0;
    bool learnSigma = false;
    std::int64_t numClasses = 0;
    double classDropoutProb = 0.1;
    std::int64_t grid = 0, numStages = 0;
    double stageDropoutProb = 0.1;
    bool sharedDropout = false, stageZeroInit = false;
    Labels labels = Labels::Reuse;
    bool operator==(const DitConfig&) const = default;
    static void describe(auto& self, auto&& field)
    {
        field("patch_size", self.patchSize, "Side of the squares that become tokens; divides the side of what the network sees",
              {.min = 1, .max = 64, .unit = "pixels"});
        field("hidden_size", self.hiddenSize, "Numbers that each token is made of; a multiple of 4 and of the heads",
              {.min = 4, .max = 16384});
        field("depth", self.depth, "Transformer blocks", {.min = 1, .max = 256, .unit = "blocks"});
        field("num_heads", self.numHeads, "Heads of each attention", {.min = 1, .max = 256, .unit = "heads"});
        field("mlp_ratio", self.mlpRatio, "Width inside the MLP of a block as a multiple of hidden_size",
              {.min = 0.25, .max = 16.0, .advanced = true});
        field("learn_sigma", self.learnSigma, "Predict the variance beside the noise: twice as many channels come out", {.advanced = true});
        field("num_classes", self.numClasses, "Classes that the network is told of, as many as the data have; 0: it is told none",
              {.min = 0, .max = 1'000'000, .unit = "classes"});
        field("class_dropout_prob", self.classDropoutProb,
              "Share of the images whose class is hidden, so that the network can be guided away from \"any class\" when it draws",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field(
            "grid", self.grid,
            "Tokens along a side that the table of positions is made for; other images have it interpolated. 0: as many as the images have",
            {.min = 0, .max = 1024, .unit = "tokens", .advanced = true});
        field(
            "num_stages", self.numStages,
            "Rows of a table that tells the network which stage of its growth it is in (AutoProg-Zero's stage identifier), and one for any "
            "stage; 0: no such table",
            {.min = 0, .max = 64, .unit = "stages", .advanced = true});
        field("stage_dropout_prob", self.stageDropoutProb, "Share of the images whose stage is hidden",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("shared_dropout", self.sharedDropout,
              "Hide class and stage of the same images; published: each for itself, so that both are rarely hidden together",
              {.advanced = true});
        field("stage_zero_init", self.stageZeroInit,
              "Start the table of stages at zero, so that it changes nothing at first; published: random", {.advanced = true});
        field(
            "labels", self.labels,
            "Begun with other weights (init.from): reuse their first rows of classes and their row of any class, or draw the table afresh",
            {.advanced = true});
    }
};

/// How a ViT makes one vector of its tokens: the class token, or the mean of the others (timm's global_pool avg).
enum class Pooling { Token, Mean };
template <>
struct Names<Pooling> {
    static constexpr std::array<std::pair<Pooling, const char*>, 2> kAll{{{Pooling::Token, "token"}, {Pooling::Mean, "mean"}}};
};

/// How bytes become the numbers that a classifier sees.
enum class PixelScale { ImageNet, Half };
template <>
struct Names<PixelScale> {
    static constexpr std::array<std::pair<PixelScale, const char*>, 2> kAll{
        {{PixelScale::ImageNet, "imagenet"}, {PixelScale::Half, "half"}}};
};

/// The vision transformer as a classifier (names as in timm, which Deep-Incubation shares). docs/models.md lists the published sizes.
struct VitConfig { // path "model", kind "vit"
    static constexpr const char* kKind = "vit";
    std::int64_t patchSize = 4, hiddenSize = 192, depth = 12, numHeads = 3;
    double mlpRatio = 4.0;
    std::int64_t numClasses = 10;
    double dropPath = 0.0;
    Pooling pooling = Pooling::Token;
    bool qkvBias = true;
    double normEpsilon = 1e-6;
    PixelScale pixels = PixelScale::ImageNet;
    std::int64_t grid = 0;
    Labels labels = Labels::Reuse;
    bool operator==(const VitConfig&) const = default;
    static void describe(auto& self, auto&& field)
    {
        field("patch_size", self.patchSize, "Side of the squares that become tokens; divides the side of the images",
              {.min = 1, .max = 64, .unit = "pixels"});
        field("hidden_size", self.hiddenSize, "Numbers that each token is made of; a multiple of the heads", {.min = 1, .max = 16384});
        field("depth", self.depth, "Transformer blocks", {.min = 1, .max = 256, .unit = "blocks"});
        field("num_heads", self.numHeads, "Heads of each attention", {.min = 1, .max = 256, .unit = "heads"});
        field("mlp_ratio", self.mlpRatio, "Width inside the MLP of a block as a multiple of hidden_size",
              {.min = 0.25, .max = 16.0, .advanced = true});
        field("num_classes", self.numClasses, "Classes to tell apart, as many as the data have",
              {.min = 1, .max = 1'000'000, .unit = "classes"});
        field("drop_path", self.dropPath, "How often the last block is skipped while training; rises evenly from 0 at the first",
              {.min = 0.0, .max = 0.9});
        field("pooling", self.pooling, "What is classified: the class token, or the mean of all others", {.advanced = true});
        field("qkv_bias", self.qkvBias, "Biases of queries, keys and values; Deep-Incubation's ViT-H has none", {.advanced = true});
        field("norm_epsilon", self.normEpsilon, "Added to the variance by layer norms; Deep-Incubation's ViT-H has 1e-5",
              {.min = 1e-12, .max = 0.1, .advanced = true});
        field("pixels", self.pixels,
              "Scale of what it sees: ImageNet's mean and deviation (DeiT, Deep-Incubation), or from -1 to 1 (many weights of timm)",
              {.advanced = true});
        field(
            "grid", self.grid,
            "Tokens along a side that the table of positions is made for; other images have it interpolated. 0: as many as the images have",
            {.min = 0, .max = 1024, .unit = "tokens", .advanced = true});
        field("labels", self.labels, "Begun with other weights (init.from): reuse their head, of as many classes, or draw it afresh",
              {.advanced = true});
    }
};

using ModelConfig = std::variant<UNetConfig, DitConfig, VitConfig>;

/// Classes that a model is told of or tells apart; 0: none.
inline std::int64_t classesOf(const ModelConfig& model)
{
    return std::visit([](const auto& m) { return m.numClasses; }, model);
}

inline Labels labelsOf(const ModelConfig& model)
{
    return std::visit([](const auto& m) { return m.labels; }, model);
}

/// Whether pictures come out of it; otherwise one number for each class.
inline bool drawsImages(const ModelConfig& model)
{
    return !std::holds_alternative<VitConfig>(model);
}

/// Share of the images whose class is hidden while it trains.
inline double classDropoutOf(const ModelConfig& model)
{
    if (const auto* unet = std::get_if<UNetConfig>(&model))
        return unet->classDropoutProb;
    if (const auto* dit = std::get_if<DitConfig>(&model))
        return dit->classDropoutProb;
    return 0.0;
}

/// Width inside the MLP of a block: rounded down, as published, where the ratio does not make it whole.
inline std::int64_t mlpWidth(const auto& transformer)
{
    constexpr double kRounding = 1e-6; // a ratio that came from a width gives that width
    return static_cast<std::int64_t>(static_cast<double>(transformer.hiddenSize) * transformer.mlpRatio + kRounding);
}

} // namespace espalier::config
