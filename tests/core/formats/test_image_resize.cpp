// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_grid.h"
#include "core/formats/image_quantise.h"
#include "core/formats/image_resize.h"
#include "core/formats/resize_kernels.h"
#include "core/formats/safetensors.h"
#include "tests/core/formats/golden_json.h"

#include <algorithm>
#include <cmath>
#include <optional>

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

/// images.json with its safetensors, and the pictures that its cases begin with.
class Images : public testing::Test {
protected:
    void SetUp() override
    {
        const auto folder = goldenFolder() / "images";
        ESPALIER_NEED_GOLDEN(folder / "images.json");
        m_list = jsonOf(folder / "images.json");
        auto reader = SafetensorsReader::open(folder / "images.safetensors");
        ASSERT_TRUE(reader) << reader.error().message;
        m_stored.emplace(std::move(*reader));
        // Held-out folders fill their inputs from other names and say so in the rule.
        const auto rule = m_list.at("picture").get<std::string>();
        m_prefix = rule.find("input:held/images/") != std::string::npos ? "input:held/images/" : "input:images/";
    }

    Image picture(const std::string& name, int height, int width) const
    {
        Image image = Image::ofSize(width, height);
        const auto u = goldenUniform(m_prefix + name, image.rgb.size());
        for (std::size_t i = 0; i < u.size(); ++i) {
            const int c = static_cast<int>(i % 3), x = static_cast<int>(i / 3) % width, y = static_cast<int>(i / 3) / width;
            image.rgb[i] =
                static_cast<std::uint8_t>(x < width / 2 ? static_cast<int>(std::floor((u[i] + 1) * 128)) : (4 * x + 3 * y + 60 * c) % 256);
        }
        return image;
    }

    template <class T>
    std::vector<T> stored(const std::string& name) const
    {
        const auto* entry = m_stored->find(name);
        if (!entry)
            return {};
        std::vector<T> values(entry->bytes() / sizeof(T));
        EXPECT_TRUE(m_stored->copy(*entry, std::as_writable_bytes(std::span(values))));
        return values;
    }

    void expectImage(const Image& got, const Json& want) const
    {
        ASSERT_EQ((std::vector<int>{got.height, got.width, 3}), want.at("shape").get<std::vector<int>>());
        if (want.contains("tensor")) {
            EXPECT_EQ(got.rgb, stored<std::uint8_t>(want.at("tensor")));
        }
        std::int64_t sum = 0, indexSum = 0;
        for (std::size_t i = 0; i < got.rgb.size(); ++i) {
            sum += got.rgb[i];
            indexSum += got.rgb[i] * static_cast<std::int64_t>(i % 1013);
        }
        EXPECT_EQ(sum, want.at("sum").get<std::int64_t>());
        EXPECT_EQ(indexSum, want.at("index_sum").get<std::int64_t>());
        EXPECT_EQ(sha256(std::as_bytes(std::span(got.rgb))), want.at("sha256").get<std::string>());
        const auto first = want.at("first").get<std::vector<int>>();
        EXPECT_TRUE(std::equal(first.begin(), first.end(), got.rgb.begin()));
    }

    Json m_list;
    std::optional<SafetensorsReader> m_stored;
    std::string m_prefix;
};

ResizeFilter filterOf(const std::string& name)
{
    static const std::map<std::string, ResizeFilter> all{{"nearest", ResizeFilter::Nearest},   {"box", ResizeFilter::Box},
                                                         {"bilinear", ResizeFilter::Bilinear}, {"hamming", ResizeFilter::Hamming},
                                                         {"bicubic", ResizeFilter::Bicubic},   {"lanczos", ResizeFilter::Lanczos}};
    return all.at(name);
}

std::string sizeText(int height, int width)
{
    return std::to_string(height) + "x" + std::to_string(width);
}

/// `places` windows that wander over `from` pixels, with weights of either sign whose sums fit in 32 bits.
kernels::Weights windows(int from, int places, int widest)
{
    kernels::Weights weights;
    weights.stride = static_cast<std::size_t>(widest);
    const auto u = goldenUniform("windows", static_cast<std::size_t>(places) * weights.stride);
    for (int i = 0; i < places; ++i) {
        const int count = std::min(from, 1 + (i * 7) % widest);
        weights.runs.push_back({static_cast<int>(std::int64_t{from - count} * i / std::max(1, places - 1)), count});
        for (std::size_t k = 0; k < weights.stride; ++k)
            weights.values.push_back(static_cast<std::int32_t>((1.2 * u[static_cast<std::size_t>(i) * weights.stride + k] + 0.5) / count *
                                                               (1 << kernels::kPrecision)));
    }
    return weights;
}

std::uint8_t weighted(const std::uint8_t* in, std::size_t stride, const std::int32_t* weights, int count)
{
    std::int32_t sum = 1 << (kernels::kPrecision - 1);
    for (int k = 0; k < count; ++k)
        sum += in[static_cast<std::size_t>(k) * stride] * weights[k];
    return static_cast<std::uint8_t>(std::clamp(sum >> kernels::kPrecision, 0, 255));
}

} // namespace

using ImageResizeGolden = Images;
using ImageCropGolden = Images;
using QuantiseGolden = Images;
using ImageGridGolden = Images;

TEST_F(ImageResizeGolden, EveryFilterGivesPillowsPixels)
{
    for (const auto& wanted : m_list.at("resize").at("cases")) {
        SCOPED_TRACE(wanted.value("tensor", wanted.at("filter").get<std::string>()));
        const int h = wanted.at("from")[0], w = wanted.at("from")[1], toH = wanted.at("to")[0], toW = wanted.at("to")[1];
        expectImage(resize(picture("resize_" + sizeText(h, w), h, w), toW, toH, filterOf(wanted.at("filter"))), wanted);
    }
}

TEST_F(ImageResizeGolden, BoxesAndCropsAreStretchedAsPublished)
{
    const auto& all = m_list.at("resize");
    const int h = all.at("cases")[0].at("from")[0], w = all.at("cases")[0].at("from")[1];
    const Image image = picture("resize_" + sizeText(h, w), h, w);
    expectImage(centreCrop(resizeShorterSide(image, 18, ResizeFilter::Bicubic), 16, 16), all.at("resize_18_crop_16"));
    const auto& part = all.at("resized_crop");
    expectImage(resize(crop(image, part.at("left"), part.at("top"), part.at("width"), part.at("height")), part.at("to")[1],
                       part.at("to")[0], filterOf(part.at("filter"))),
                part);
    const auto& boxed = all.at("fractional_box");
    const auto box = boxed.at("box").get<std::vector<double>>();
    expectImage(resize(image, boxed.at("to_wh")[0], boxed.at("to_wh")[1], filterOf(boxed.at("filter")), {box[0], box[1], box[2], box[3]}),
                boxed);
}

TEST_F(ImageCropGolden, TheCentreIsThatOfAdm)
{
    for (const auto& wanted : m_list.at("centre_crop").at("cases")) {
        SCOPED_TRACE(wanted.dump().substr(0, 60));
        const int h = wanted.at("height"), w = wanted.at("width");
        const int size = wanted.at("size");
        const Image image = picture("crop_" + sizeText(h, w), h, w);
        expectImage(admCentreCrop(image, size), wanted);
        // Step by step over the sizes that the case names.
        Image steps = image;
        for (const auto& halved : wanted.at("box_halvings_wh"))
            steps = resize(steps, halved[0], halved[1], ResizeFilter::Box);
        const auto& scaled = wanted.at("bicubic_to_wh");
        EXPECT_EQ(std::min(scaled[0].get<int>(), scaled[1].get<int>()), size);
        expectImage(crop(resize(steps, scaled[0], scaled[1], ResizeFilter::Bicubic), (scaled[0].get<int>() - size) / 2,
                         (scaled[1].get<int>() - size) / 2, size, size),
                    wanted);
    }
}

TEST_F(ImageCropGolden, FlipsSwapLeftAndRight)
{
    const auto& want = m_list.at("flip").at("horizontal");
    const Image image = picture("flip", want.at("shape")[0], want.at("shape")[1]);
    expectImage(flipHorizontally(image), want);
    EXPECT_EQ(flipHorizontally(flipHorizontally(image)).rgb, image.rgb);
}

TEST_F(QuantiseGolden, EveryPublishedRuleGivesItsBytes)
{
    const auto input = stored<float>("rounding/input_float32");
    ASSERT_FALSE(input.empty());
    const std::map<std::string, Rounding> rules{{"save_image_0_1", Rounding::SaveImageUnit},
                                                {"save_image_-1_1", Rounding::SaveImageSigned},
                                                {"dit_sample_ddp", Rounding::DitSample},
                                                {"guided_diffusion", Rounding::GuidedDiffusion},
                                                {"ddpm_torch_to_uint8", Rounding::DdpmTorch}};
    for (const auto& name : m_list.at("grid").at("rounding").at("results")) {
        SCOPED_TRACE(name);
        std::vector<std::uint8_t> got(input.size());
        quantise(input, rules.at(name), got);
        EXPECT_EQ(got, stored<std::uint8_t>("rounding/" + name.get<std::string>()));
    }
    EXPECT_EQ(quantise(NAN, Rounding::DitSample), 0);
    EXPECT_EQ(quantise(INFINITY, Rounding::SaveImageUnit), 255);
}

TEST_F(ImageGridGolden, EveryCallLaysOutTheGridOfSaveImage)
{
    const auto& grids = m_list.at("grid");
    const auto input = [&](const std::string& name) {
        const auto& fill = grids.at("input").at(name);
        const auto shape = std::vector<std::int64_t>{fill[1], fill[2], fill[3], fill[4]};
        return std::pair(goldenInput(fill[0].get<std::string>(), shape), shape);
    };
    ASSERT_FALSE(grids.at("cases").empty());
    for (const auto& [name, wanted] : grids.at("cases").items()) {
        SCOPED_TRACE(name);
        const int rows = wanted.at("rows"), channels = wanted.at("channels");
        auto [values, shape] = input(channels == 1 ? "grey" : "x");
        if (name == "constant_image") {
            shape = {2, 3, 2, 2};
            values.assign(24, 0.5f);
        }
        ASSERT_LE(rows, shape[0]);
        ASSERT_EQ(channels, shape[1]);
        const auto& call = wanted.at("call");
        GridOptions options{
            .columns = call.value("nrow", 8), .padding = call.value("padding", 2), .padValue = call.value("pad_value", 0.0f)};
        options.normalise = call.value("normalize", false);
        options.scaleEach = call.value("scale_each", false);
        if (call.contains("value_range"))
            options.range = {call.at("value_range")[0].get<float>(), call.at("value_range")[1].get<float>()};
        const auto each = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
        const Image grid = imageGrid(std::span(values).first(static_cast<std::size_t>(rows) * each), rows, channels,
                                     static_cast<int>(shape[2]), static_cast<int>(shape[3]), options);
        expectImage(grid, wanted);
        EXPECT_EQ((std::vector<int>{3, grid.height, grid.width}), wanted.at("grid_shape").get<std::vector<int>>());
    }
}

TEST(ImageCrop, ASquareIsWhatResizingAndCroppingGive)
{
    for (const auto& [width, height] : {std::pair(40, 27), {27, 40}, {33, 33}, {16, 50}, {50, 16}, {16, 16}, {7, 90}, {200, 16}})
        for (const auto filter :
             {ResizeFilter::Nearest, ResizeFilter::Box, ResizeFilter::Bilinear, ResizeFilter::Bicubic, ResizeFilter::Lanczos}) {
            SCOPED_TRACE(sizeText(height, width));
            Image image = Image::ofSize(width, height);
            const auto u = goldenUniform("square", image.rgb.size());
            std::transform(u.begin(), u.end(), image.rgb.begin(), [](double v) { return static_cast<std::uint8_t>((v + 1) * 128); });
            const Image square = resizeToSquare(image, 16, filter);
            EXPECT_EQ(square.width, 16);
            EXPECT_EQ(square.rgb, centreCrop(resizeShorterSide(image, 16, filter), 16, 16).rgb);
        }
}

TEST(ResizeKernels, AreTheSumsThatTheyStandFor)
{
    struct Case {
        int width, height, to, widest;
    };
    // Whole strips and rests of them, rows shorter than a vector, and rows so long that they are taken in parts.
    for (const Case& c : {Case{1, 1, 1, 1},
                          {5, 17, 3, 2},
                          {6, 16, 9, 3},
                          {37, 15, 20, 5},
                          {64, 33, 8, 33},
                          {5003, 18, 40, 9},
                          {4100, 3, 3, 3000},
                          {300, 40, 310, 6}}) {
        SCOPED_TRACE(sizeText(c.height, c.width));
        Image image = Image::ofSize(c.width, c.height);
        const auto u = goldenUniform("pixels", image.rgb.size());
        std::transform(u.begin(), u.end(), image.rgb.begin(), [](double v) { return static_cast<std::uint8_t>((v + 1) * 128); });
        const kernels::Rows rows{image.rgb.data(), static_cast<std::size_t>(c.width) * 3, c.height};

        const auto across = windows(c.width, c.to, c.widest);
        Image got = Image::ofSize(c.to, c.height), want = got;
        kernels::across(rows, across, got.rgb.data());
        for (int y = 0; y < c.height; ++y)
            for (int i = 0; i < c.to * 3; ++i) {
                const auto place = static_cast<std::size_t>(i / 3);
                want.row(y)[i] =
                    weighted(image.row(y) + across.runs[place].first * 3 + i % 3, 3, across.of(place), across.runs[place].count);
            }
        EXPECT_EQ(got.rgb, want.rgb);

        const auto down = windows(c.height, c.to, std::min(c.widest, 20));
        got = want = Image::ofSize(c.width, c.to);
        kernels::down(rows, 0, down, got.rgb.data());
        for (int y = 0; y < c.to; ++y)
            for (int i = 0; i < c.width * 3; ++i) {
                const auto place = static_cast<std::size_t>(y);
                want.row(y)[i] = weighted(image.row(down.runs[place].first) + i, rows.bytes, down.of(place), down.runs[place].count);
            }
        EXPECT_EQ(got.rgb, want.rgb);
    }
}

TEST(ImageGrid, BytesAreLaidOutAsTheyAre)
{
    const std::vector<std::uint8_t> grey{1, 2, 3};
    const Image grid = imageGrid(std::span(grey), 3, 1, 1, 1, {.columns = 2, .padding = 1, .padValue = 1.0f});
    EXPECT_EQ(grid.width, 5);
    EXPECT_EQ(grid.height, 5);
    EXPECT_EQ(grid.row(1)[3], 1);
    EXPECT_EQ(grid.row(1)[9], 2);
    EXPECT_EQ(grid.row(3)[5], 3);
    EXPECT_EQ(grid.row(3)[9], 255);
}

TEST(ImageCrop, WhatLiesOutsideIsBlack)
{
    Image image = Image::ofSize(2, 2);
    std::fill(image.rgb.begin(), image.rgb.end(), 200);
    const Image padded = centreCrop(image, 4, 1);
    EXPECT_EQ(padded.width, 4);
    EXPECT_EQ(padded.height, 1);
    EXPECT_EQ(padded.rgb, (std::vector<std::uint8_t>{0, 0, 0, 200, 200, 200, 200, 200, 200, 0, 0, 0}));
}
