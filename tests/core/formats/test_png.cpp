// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_decode.h"
#include "core/formats/png.h"
#include "tests/core/formats/golden_json.h"

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

const PngTexts kTexts{
    {"espalier", R"({"seed":1,"name":"größe ✓"})"}, {"Software", "Espalier"}, {"long", std::string(5000, 'x')}, {"long utf8", [] {
                                                                                                                     std::string text;
                                                                                                                     for (int i = 0;
                                                                                                                          i < 2000; ++i)
                                                                                                                         text += "é";
                                                                                                                     return text;
                                                                                                                 }()}};

} // namespace

TEST(Png, PixelsAndTextsComeBack)
{
    ScratchFolder scratch;
    Image image = Image::ofSize(5, 4);
    for (std::size_t i = 0; i < image.rgb.size(); ++i)
        image.rgb[i] = static_cast<std::uint8_t>(i * 7);
    const auto file = scratch / "grid.png";
    ASSERT_TRUE(writePng(file, image, kTexts));
    EXPECT_EQ(scratch.files(), 1u);
    const auto back = decodeImageFile(file);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->rgb, image.rgb);
    const auto texts = readPngTexts(file);
    ASSERT_TRUE(texts) << texts.error().message;
    EXPECT_EQ(*texts, kTexts);
    EXPECT_EQ(*encodePng(image, kTexts), *readFile(file));
}

TEST(Png, GreyIsKeptAsGrey)
{
    const std::vector<std::uint8_t> grey{0, 100, 255, 7, 8, 9};
    const auto bytes = encodePng({3, 2, 1, grey});
    ASSERT_TRUE(bytes);
    const auto back = decodeImage(bytesOf(*bytes), "grey");
    ASSERT_TRUE(back);
    for (std::size_t i = 0; i < grey.size(); ++i)
        EXPECT_EQ(back->rgb[i * 3 + 1], grey[i]);
}

TEST(Png, WhatIsNoImageIsRefused)
{
    const std::vector<std::uint8_t> pixels(12);
    EXPECT_FALSE(encodePng({0, 2, 3, {}}));
    EXPECT_FALSE(encodePng({2, 2, 4, pixels}));
    EXPECT_FALSE(encodePng({2, 3, 3, pixels}));
    EXPECT_FALSE(encodePng({2, 2, 3, pixels}, {{"", "no keyword"}}));
    EXPECT_FALSE(encodePng({2, 2, 3, pixels}, {{std::string(80, 'k'), "long keyword"}}));
}

TEST(Png, DamagedTextsAreRefusedAndNothingCrashes)
{
    const std::vector<std::uint8_t> pixels(12);
    const auto good = *encodePng({2, 2, 3, pixels}, kTexts);
    for (std::size_t i = 0; i < good.size(); ++i) {
        const auto cut = readPngTexts(bytesOf(good.substr(0, i)), "cut.png");
        ASSERT_FALSE(cut);
        expectSentence(cut.error(), "cut.png");
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 0x55);
        const auto changed = readPngTexts(bytesOf(bad), "bad.png");
        if (changed) {
            for (const auto& [key, text] : *changed)
                EXPECT_TRUE(kTexts.contains(key) && kTexts.at(key) == text);
        }
    }
}
