// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/seen_image.h"

#include "tests/core/config/problems.h"

namespace espalier::config {

namespace {

/// A DiT on latents of a folder of images.
constexpr const char* kOnLatents = R"({"training":{"steps":10},"model":{"kind":"dit"},
    "data":{"source":"folder","path":"/images","side":256,"crop":"adm"},"latents":{"enabled":true,"vae":"/vae"}})";

std::string problemsOf(const char* overlay)
{
    return config::problemsOf(kOnLatents, overlay);
}

void expectProblem(const char* overlay, const std::string& path, const std::string& part)
{
    config::expectProblem(kOnLatents, overlay, path, part);
}

} // namespace

TEST(LatentSettings, OneAnswerToWhatTheNetworkSees)
{
    RunConfig config;
    config.data.side = 256;
    const auto pixels = seenImage(config);
    EXPECT_EQ((std::array{pixels.channels, pixels.side, pixels.pixels}), (std::array<std::int64_t, 3>{3, 256, 1}));
    config.latents.enabled = true;
    const auto latents = seenImage(config);
    EXPECT_EQ((std::array{latents.channels, latents.side, latents.pixels}), (std::array<std::int64_t, 3>{4, 32, 8}));
}

TEST(LatentSettings, FitTheSideOfTheImages)
{
    EXPECT_EQ(problemsOf("{}"), "");
    EXPECT_EQ(problemsOf(R"({"data":{"side":512}})"), "");
    EXPECT_EQ(problemsOf(R"({"model":{"kind":"unet"}})"), ""); // a U-Net takes any channels
    expectProblem(R"({"data":{"side":260}})", "data.side",
                  "must be a multiple of 8, because latents.enabled is true; the nearest are 256 and 264");
    expectProblem(R"({"data":{"side":264}})", "data.side",
                  "data.side 264 must be a multiple of model.patch_size 2 on latents of 8 pixels each; the nearest are 256 and 272.");
    expectProblem(R"({"data":{"side":264},"model":{"kind":"unet"}})", "data.side",
                  "data.side 264 must be a multiple of 64, because the model halves it 3 times on latents of 8 pixels each");
}

TEST(LatentSettings, NameWhatIsMissing)
{
    expectProblem(R"({"latents":{"vae":""}})", "latents.vae", "must name the autoencoder");
    expectProblem(R"({"latents":{"tile_side":100}})", "latents.tile_side", "0 or a multiple of 8 from 64; it is 100.");
    EXPECT_EQ(problemsOf(R"({"latents":{"tile_side":256}})"), "");
}

TEST(LatentSettings, RefuseWhatChangesPixels)
{
    expectProblem(R"({"data":{"augment":{"crop":"resized"}}})", "data.augment.crop", "encodes each image once; set it to none");
    expectProblem(R"({"data":{"augment":{"operations":2}}})", "data.augment.operations", "set it to 0");
    EXPECT_EQ(problemsOf(R"({"data":{"flip":false}})"), "");
}

TEST(LatentSettings, LatentsOfOthersComeAsTheyAre)
{
    EXPECT_EQ(problemsOf(R"({"data":{"source":"features","flip":false}})"), "");
    EXPECT_EQ(problemsOf(R"({"data":{"source":"features","flip":false},"latents":{"vae":""},"samples":{"every":0}})"), "");
    expectProblem(R"({"data":{"source":"features","flip":false},"latents":{"vae":""}})", "samples.every", "latents.vae is empty");
    expectProblem(R"({"data":{"source":"features"}})", "data.flip", "must be false with data.source features");
    expectProblem(R"({"data":{"source":"features","flip":false},"evaluation":{"every":10}})", "evaluation.every", "--reference");
    expectProblem(R"({"data":{"source":"features","flip":false,"path":""}})", "data.path", "latents and labels");
    expectProblem(R"({"data":{"source":"features","flip":false},"latents":{"enabled":false}})", "latents.enabled", "must be true");
}

} // namespace espalier::config
