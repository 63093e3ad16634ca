// SPDX-License-Identifier: Apache-2.0
#include "core/data/erasing.h"
#include "core/data/framing.h"
#include "core/data/mixing.h"
#include "core/data/order.h"
#include "core/formats/image_enhance.h"
#include "core/formats/image_resize.h"
#include "tests/core/data/golden_vit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace espalier;
using namespace espalier::data;
using formats::Image;
using formats::PixelBox;

namespace {

class VitImagesGolden : public tests::GoldenVit {
protected:
    void SetUp() override { open("images"); }
};
class VitRecipeGolden : public tests::GoldenVit {
protected:
    void SetUp() override { open("recipe"); }
};

PixelBox topLeftHeightWidth(const Json& v)
{
    return {v[1], v[0], v[3], v[2]};
}

} // namespace

TEST_F(VitImagesGolden, PartsAreCutBeforeTheyAreResized)
{
    for (const auto& wanted : m_list.at("resized_crop")) {
        const Image image = picture(wanted.at("source"));
        const auto box = topLeftHeightWidth(wanted.at("top_left_height_width"));
        const int size = wanted.at("size");
        const Image got =
            formats::resize(formats::crop(image, box.left, box.top, box.width, box.height), size, size, formats::ResizeFilter::Bicubic);
        EXPECT_EQ(got.rgb, stored<std::uint8_t>(wanted.at("key"))) << wanted.dump();
    }
}

TEST_F(VitImagesGolden, EvaluationShowsThePublishedCentre)
{
    for (const auto& wanted : m_list.at("evaluation").at("cases")) {
        const int size = wanted.at("input_size");
        const Framing framing{.cropRatio = 0.875};
        const Image got = framing.cut(picture(wanted.at("source")), size);
        ASSERT_EQ(got.width, size);
        EXPECT_EQ(got.rgb, stored<std::uint8_t>(wanted.at("bytes")));
        std::vector<float> chw(got.rgb.size());
        formats::normalise(got.rgb, formats::kImageNetMean, formats::kImageNetDeviation, chw);
        const auto corner = stored<float>("evaluation." + std::to_string(size) + ".normalised_corner");
        ASSERT_EQ(corner.size(), 3u * 6 * 6);
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < 6; ++y)
                for (int x = 0; x < 6; ++x)
                    EXPECT_EQ(chw[static_cast<std::size_t>((c * size + y) * size + x)],
                              corner[static_cast<std::size_t>((c * 6 + y) * 6 + x)]);
    }
    // Where the centre lies, seen through a picture whose colours tell the place before it was cut.
    for (const auto& wanted : m_list.at("evaluation").at("geometry")) {
        const int size = wanted.at("input_size");
        const auto before = wanted.at("width_height").get<std::vector<int>>(),
                   after = wanted.at("resized_width_height").get<std::vector<int>>();
        const auto box = topLeftHeightWidth(wanted.at("crop_top_left_h_w"));
        Image image = Image::ofSize(before[0], before[1]);
        for (std::size_t i = 0; i < image.rgb.size(); ++i)
            image.rgb[i] = static_cast<std::uint8_t>(i * 7 + i / 301);
        const Image resized = formats::resize(image, after[0], after[1], formats::ResizeFilter::Bicubic);
        const Framing framing{.cropRatio = 0.875};
        EXPECT_EQ(framing.cut(image, size).rgb, formats::crop(resized, box.left, box.top, size, size).rgb) << wanted.dump();
    }
}

TEST_F(VitRecipeGolden, ResizedCropsLieWhereTimmPutsThem)
{
    for (const auto& wanted : m_list.at("random_resized_crop").at("cases")) {
        tests::ScriptedDice dice(wanted.at("draws"));
        const auto size = wanted.at("width_height");
        EXPECT_EQ(randomResizedCrop(size[0], size[1], {}, dice), topLeftHeightWidth(wanted.at("result"))) << wanted.dump();
        EXPECT_TRUE(dice.isUsedUp()) << wanted.dump();
    }
}

TEST_F(VitRecipeGolden, ErasedRectanglesLieWhereTimmPutsThem)
{
    for (const auto& wanted : m_list.at("random_erasing").at("cases")) {
        tests::ScriptedDice dice(wanted.at("draws"));
        const auto size = wanted.at("height_width");
        const auto& box = wanted.at("box");
        EXPECT_EQ(drawErasing(size[1], size[0], 0.25, dice), box.is_null() ? PixelBox{} : topLeftHeightWidth(box)) << wanted.dump();
        EXPECT_TRUE(dice.isUsedUp()) << wanted.dump();
    }
}

TEST_F(VitRecipeGolden, CutmixBoxesAndSharesAreThePublishedOnes)
{
    for (const auto& wanted : m_list.at("boxes")) {
        const auto hw = wanted.at("hw").get<std::vector<int>>(), centre = wanted.at("centre_y_x").get<std::vector<int>>();
        const auto b = wanted.at("box_yl_yh_xl_xh").get<std::vector<int>>();
        const auto box = cutBox(hw[1], hw[0], wanted.at("lam"), centre[1], centre[0]);
        EXPECT_EQ(box, (PixelBox{b[2], b[0], b[3] - b[2], b[1] - b[0]})) << wanted.dump();
        EXPECT_NEAR(shareOutside(box, hw[1], hw[0]), wanted.at("lam_corrected").get<double>(), 1e-11) << wanted.dump();
    }
}

TEST_F(VitRecipeGolden, MixedImagesAndTargetsFollowFromTheNumbers)
{
    const auto& mix = m_list.at("mix");
    const auto shape = mix.at("shape").get<std::vector<std::int64_t>>();
    const auto labels = mix.at("labels").get<std::vector<std::int64_t>>();
    const auto images = tests::goldenInput(mix.at("input").get<std::string>(), shape);
    const auto side = static_cast<int>(shape[3]);
    const auto classes = mix.at("classes").get<std::size_t>();
    for (const auto& [name, wanted] : mix.at("cases").items()) {
        const bool cut = wanted.at("cutmix");
        double lambda = wanted.at("lam_drawn");
        PixelBox box;
        if (cut) {
            box = cutBox(side, side, lambda, wanted.at("centre_y_x")[1], wanted.at("centre_y_x")[0]);
            lambda = shareOutside(box, side, side);
        }
        std::vector<float> x, y(static_cast<std::size_t>(shape[0]) * classes);
        for (std::int64_t i = 0; i < shape[0]; ++i) {
            const std::int64_t partner = partnerOf(i, shape[0]);
            const auto size = shape[1] * shape[2] * shape[3];
            for (std::int64_t k = 0; k < size; ++k) {
                const auto px = static_cast<int>(k % side), py = static_cast<int>(k / side % side);
                const float own = images[static_cast<std::size_t>(i * size + k)],
                            other = images[static_cast<std::size_t>(partner * size + k)];
                const bool pasted = px >= box.left && px < box.left + box.width && py >= box.top && py < box.top + box.height;
                x.push_back(cut ? (pasted ? other : own) : static_cast<float>(lambda * own + (1.0 - lambda) * other));
            }
            softTarget(labels[static_cast<std::size_t>(i)], labels[static_cast<std::size_t>(partner)], lambda, mix.at("smoothing"),
                       std::span(y).subspan(static_cast<std::size_t>(i) * classes, classes));
        }
        const auto wantX = stored<float>("mix." + name + ".x"), wantY = stored<float>("mix." + name + ".target");
        ASSERT_EQ(x.size(), wantX.size());
        ASSERT_EQ(y.size(), wantY.size());
        for (std::size_t k = 0; k < x.size(); ++k)
            EXPECT_NEAR(x[k], wantX[k], 2e-6) << name << " " << k; // lambda is a float in torch
        for (std::size_t k = 0; k < y.size(); ++k)
            EXPECT_NEAR(y[k], wantY[k], 2e-7) << name << " " << k;
    }
}

TEST_F(VitRecipeGolden, RepeatedImagesAreDealtOutAsToRanks)
{
    for (const auto& wanted : m_list.at("repeated_augmentation").at("cases")) {
        if (wanted.at("shuffle") || !wanted.contains("rank_0_untruncated"))
            continue;
        const std::int64_t size = wanted.at("images"), world = wanted.at("world");
        for (const std::int64_t group : {1, 2, 4})
            for (std::int64_t rank = 0; rank < world; ++rank) {
                const auto list = wanted.at("rank_" + std::to_string(rank) + "_untruncated").get<std::vector<std::int64_t>>();
                const std::int64_t batch = world * group;
                // Our list has the length of the set: a third of what the published sampler could give.
                for (std::int64_t position = 0; position + batch <= size; position += batch)
                    for (std::int64_t i = 0; i < group; ++i)
                        EXPECT_EQ(repeatedPlace(position, rank * group + i, 3, batch, group),
                                  list.at(static_cast<std::size_t>(position / world + i)))
                            << wanted.dump();
            }
    }
}

TEST(RandomResizedCrop, KeepsItsAreasAndFallsBackToTheCentre)
{
    double mean = 0;
    constexpr int kDraws = 4000;
    for (int i = 0; i < kDraws; ++i) {
        PhiloxDice dice(1, Stream::Crop, 0, i);
        const auto box = randomResizedCrop(400, 300, {}, dice);
        ASSERT_TRUE(box.left >= 0 && box.top >= 0 && box.left + box.width <= 400 && box.top + box.height <= 300);
        const double share = box.width * box.height / 120000.0;
        EXPECT_GT(share, 0.079);
        EXPECT_LE(share, 1.0);
        mean += share / kDraws;
    }
    // The mean over the areas and aspects that fit, by a grid.
    double fit = 0, expected = 0;
    for (int a = 0; a < 300; ++a)
        for (int r = 0; r < 300; ++r) {
            const double share = 0.08 + 0.92 * (a + 0.5) / 300, aspect = std::exp(std::log(4.0 / 3) * ((r + 0.5) / 150 - 1));
            const bool fits = share * 120000 * aspect <= 400 * 400 && share * 120000 / aspect <= 300 * 300;
            fit += fits;
            expected += fits ? share : 0;
        }
    EXPECT_NEAR(mean, expected / fit, 0.018); // five standard errors
    PhiloxDice dice(1, Stream::Crop, 0, 0);
    EXPECT_EQ(randomResizedCrop(1000, 10, {}, dice), (PixelBox{493, 0, 13, 10}));
    EXPECT_EQ(randomResizedCrop(1, 1, {}, dice), (PixelBox{0, 0, 1, 1}));
}

TEST(RandomShift, ShowsBlackWhereTheImageEnds)
{
    constexpr int kSide = 9;
    Image image = Image::ofSize(kSide, kSide);
    for (std::size_t i = 0; i < image.rgb.size(); ++i)
        image.rgb[i] = static_cast<std::uint8_t>(i + 1);
    for (int down = -4; down <= 4; ++down)
        for (int right = -4; right <= 4; ++right) {
            tests::ScriptedDice dice({{"randint", 0, 8, down + 4}, {"randint", 0, 8, right + 4}});
            Image moved = image;
            randomShift(moved.rgb, kSide, 4, dice);
            for (int y = 0; y < kSide; ++y)
                for (int x = 0; x < kSide; ++x) {
                    const int fromX = x + right, fromY = y + down;
                    const bool inside = fromX >= 0 && fromX < kSide && fromY >= 0 && fromY < kSide;
                    ASSERT_EQ(moved.row(y)[3 * x + 1], inside ? image.row(fromY)[3 * fromX + 1] : 0) << down << " " << right;
                }
        }
}

TEST(Erasing, TouchesAQuarterOfTheImagesWithStandardNoise)
{
    int touched = 0;
    constexpr int kImages = 8000, kSide = 64;
    for (int i = 0; i < kImages; ++i) {
        PhiloxDice dice(5, Stream::Erase, 0, i);
        const auto box = drawErasing(kSide, kSide, 0.25, dice);
        touched += box.width > 0;
        if (box.width > 0) {
            const double share = box.width * box.height / static_cast<double>(kSide * kSide);
            EXPECT_GT(share, 0.015);
            EXPECT_LT(share, 0.345);
        }
    }
    EXPECT_NEAR(touched, 0.25 * kImages, 200); // five deviations
    std::vector<float> chw(3 * kSide * kSide, 7.0f);
    const PixelBox box{3, 5, 41, 50};
    erase(chw, kSide, box, 5, 2, 17);
    double sum = 0, squares = 0, count = 0;
    for (std::int64_t i = 0; i < std::ssize(chw); ++i) {
        const auto x = i % kSide, y = i / kSide % kSide;
        const float v = chw[static_cast<std::size_t>(i)];
        if (x < box.left || x >= box.left + box.width || y < box.top || y >= box.top + box.height) {
            ASSERT_EQ(v, 7.0f);
            continue;
        }
        ASSERT_EQ(v, erasingNoise(5, 2, 17, i));
        sum += v;
        squares += static_cast<double>(v) * v;
        ++count;
    }
    EXPECT_NEAR(sum / count, 0.0, 5 / std::sqrt(count));
    EXPECT_NEAR(squares / count, 1.0, 5 * std::sqrt(2 / count));
}

TEST(Mixing, LambdaHasTheBetaDistribution)
{
    constexpr int kDraws = 20000;
    for (const double alpha : {0.2, 0.8, 1.0, 3.0}) {
        double mean = 0, square = 0;
        for (int i = 0; i < kDraws; ++i) {
            PhiloxDice dice(2, Stream::Mix, 0, i);
            const double v = drawBeta(alpha, dice);
            ASSERT_TRUE(v >= 0.0 && v <= 1.0);
            mean += v / kDraws;
            square += (v - 0.5) * (v - 0.5) / kDraws;
        }
        const double variance = 1 / (4 * (2 * alpha + 1));
        EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(variance / kDraws)) << alpha;
        EXPECT_NEAR(square, variance, 0.02 * variance + 0.002) << alpha;
    }
}

TEST(Mixing, ChoosesBetweenTheTwoAndKeepsShares)
{
    int cut = 0, mixed = 0;
    constexpr int kGroups = 4000;
    const MixOptions deit{0.8, 1.0, 0.75, 0.5};
    for (int i = 0; i < kGroups; ++i) {
        const Mix mix = mixAt(deit, 32, 1, 0, i * 8);
        EXPECT_EQ(mix, mixAt(deit, 32, 1, 0, i * 8));
        cut += mix.cut;
        mixed += mix.cut || mix.lambda != 1.0;
        if (mix.cut)
            EXPECT_EQ(mix.lambda, shareOutside(mix.box, 32, 32));
        else
            EXPECT_EQ(mix.box, PixelBox{});
    }
    EXPECT_NEAR(mixed, 0.75 * kGroups, 140);
    EXPECT_NEAR(cut, 0.375 * kGroups, 155);
    EXPECT_EQ(mixAt({}, 32, 1, 0, 0), Mix{});
    EXPECT_TRUE(mixAt({0.0, 1.0, 1.0, 0.0}, 32, 1, 0, 0).cut); // alone, it is no question of switching
}

TEST(Mixing, TargetsAreSmoothedAndSumToOne)
{
    std::vector<float> y(1000);
    softTarget(3, 999, 0.7, 0.1, y);
    EXPECT_NEAR(y[3], 0.63010, 1e-6);
    EXPECT_NEAR(y[999], 0.27010, 1e-6);
    EXPECT_NEAR(y[0], 0.0001, 1e-8);
    EXPECT_NEAR(std::accumulate(y.begin(), y.end(), 0.0), 1.0, 1e-6);
    softTarget(3, 3, 0.7, 0.1, y);
    EXPECT_NEAR(y[3], 0.9001, 1e-6);
    EXPECT_NEAR(std::accumulate(y.begin(), y.end(), 0.0), 1.0, 1e-6);
}
