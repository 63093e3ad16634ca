// SPDX-License-Identifier: Apache-2.0
#include "core/data/rand_augment.h"

#include "core/formats/image_affine.h"
#include "tests/core/data/golden_vit.h"

#include <algorithm>
#include <cmath>

using namespace espalier;
using namespace espalier::data;
using formats::Image;

namespace {

class RandAugmentGolden : public tests::GoldenVit {
protected:
    void SetUp() override
    {
        open("images");
        if (IsSkipped())
            return;
        m_names = m_list.at("rand_augment").at("order").get<std::vector<std::string>>();
        ASSERT_EQ(m_names.size(), static_cast<std::size_t>(kOperations));
    }
    Operation operationOf(const std::string& name) const
    {
        return static_cast<Operation>(std::find(m_names.begin(), m_names.end(), name) - m_names.begin());
    }
    std::vector<std::string> m_names;
};

Image noise(int width, int height)
{
    Image image = Image::ofSize(width, height);
    const auto u = tests::goldenUniform("test:noise", image.rgb.size());
    std::transform(u.begin(), u.end(), image.rgb.begin(), [](double v) { return static_cast<std::uint8_t>((v + 1) * 128); });
    return image;
}

} // namespace

TEST_F(RandAugmentGolden, EveryOperationGivesPillowsBytes)
{
    formats::ImageScratch scratch;
    const auto& cases = m_list.at("rand_augment").at("operations");
    ASSERT_GT(cases.size(), 20u);
    for (const auto& wanted : cases) {
        const auto key = wanted.at("key").get<std::string>();
        const Operation operation = operationOf(wanted.at("op"));
        Image image = picture("source." + wanted.at("source").get<std::string>());
        double argument = 0.0;
        if (!wanted.at("level").is_null()) {
            EXPECT_TRUE(hasLevel(operation)) << key;
            argument = argumentOf(operation, wanted.at("level"), wanted.at("sign") == -1);
            EXPECT_NEAR(argument, wanted.at("argument").front().get<double>(), 1e-11) << key;
        }
        apply(operation, argument, image, scratch);
        EXPECT_EQ(image.rgb, stored<std::uint8_t>(key)) << key;
    }
}

TEST_F(RandAugmentGolden, LevelsBecomeThePublishedArguments)
{
    for (const auto& row : m_list.at("rand_augment").at("levels_to_argument"))
        EXPECT_NEAR(argumentOf(operationOf(row[0]), row[1], false), row[2].get<double>(), 1e-11) << row.dump();
}

TEST_F(RandAugmentGolden, DrawsAreUsedInThePublishedOrder)
{
    formats::ImageScratch scratch;
    for (const auto& wanted : m_list.at("rand_augment").at("traces").at("cases")) {
        Json draws = Json::array();
        for (const auto& choice : wanted.at("choice"))
            draws.push_back({"randint", 0, kOperations - 1, choice});
        for (const auto& draw : wanted.at("draws"))
            draws.push_back(draw);
        tests::ScriptedDice dice(draws);
        Image image = picture("source.noise");
        randAugment(image, {.operations = 2}, dice, scratch);
        EXPECT_EQ(image.rgb, stored<std::uint8_t>(wanted.at("key"))) << wanted.dump();
        EXPECT_TRUE(dice.isUsedUp()) << wanted.dump();
    }
}

TEST(RandAugment, NothingMovesByNothing)
{
    formats::ImageScratch scratch;
    const Image before = noise(37, 22);
    for (const Operation operation :
         {Operation::Rotate, Operation::ShearX, Operation::ShearY, Operation::TranslateX, Operation::TranslateY}) {
        Image image = before;
        apply(operation, 0.0, image, scratch);
        EXPECT_EQ(image.rgb, before.rgb) << static_cast<int>(operation);
    }
}

TEST(RandAugment, WholePixelsAreShiftedExactly)
{
    formats::ImageScratch scratch;
    const Image before = noise(16, 12);
    Image image = before;
    formats::transform(image, formats::translated(3, -2), kFillColour, scratch);
    for (int y = 0; y < 12; ++y)
        for (int x = 0; x < 16; ++x)
            for (int c = 0; c < 3; ++c) {
                const bool inside = x + 3 < 16 && y - 2 >= 0;
                EXPECT_EQ(image.row(y)[3 * x + c], inside ? before.row(y - 2)[3 * (x + 3) + c] : kFillColour[static_cast<std::size_t>(c)]);
            }
}

TEST(RandAugment, ConstantGreyStaysAsItIs)
{
    formats::ImageScratch scratch;
    for (const Operation operation :
         {Operation::Color, Operation::Contrast, Operation::Sharpness, Operation::AutoContrast, Operation::Equalize}) {
        Image image = Image::ofSize(9, 7);
        std::fill(image.rgb.begin(), image.rgb.end(), std::uint8_t{91});
        const Image before = image;
        apply(operation, argumentOf(operation, 9.0, false), image, scratch);
        EXPECT_EQ(image.rgb, before.rgb) << static_cast<int>(operation);
    }
}

TEST(RandAugment, EveryOperationTakesTheSmallestImages)
{
    formats::ImageScratch scratch;
    for (int operation = 0; operation < kOperations; ++operation)
        for (const auto& [width, height] : {std::pair(1, 1), std::pair(1, 5), std::pair(4, 1), std::pair(2, 2)}) {
            Image image = noise(width, height);
            apply(static_cast<Operation>(operation), argumentOf(static_cast<Operation>(operation), 10.0, true), image, scratch);
            EXPECT_EQ(image.rgb.size(), static_cast<std::size_t>(width * height * 3));
        }
}

namespace {
/// Passes draws on and counts what they decide.
class CountingDice final : public Dice {
public:
    explicit CountingDice(Dice& dice) : m_dice(dice) {}
    double uniform(double low, double high) override { return m_dice.uniform(low, high); }
    std::int64_t integer(std::int64_t low, std::int64_t high) override
    {
        const auto v = m_dice.integer(low, high);
        ++chosen[static_cast<std::size_t>(v)];
        return v;
    }
    double normal(double mean, double deviation) override
    {
        levels.push_back(m_dice.normal(mean, deviation));
        return levels.back();
    }
    static inline std::array<int, kOperations> chosen{};
    static inline std::vector<double> levels;

private:
    Dice& m_dice;
};
} // namespace

TEST(RandAugment, DrawsOperationsAndLevelsAsPublished)
{
    constexpr int kImages = 15000;
    formats::ImageScratch scratch;
    Image image = Image::ofSize(2, 2);
    for (int position = 0; position < kImages; ++position) {
        PhiloxDice dice(3, Stream::RandAugment, 0, position);
        CountingDice counting(dice);
        randAugment(image, {.operations = 2}, counting, scratch);
    }
    double chi2 = 0;
    for (const int n : CountingDice::chosen)
        chi2 += (n - 2000.0) * (n - 2000.0) / 2000.0;
    EXPECT_LT(chi2, 40); // 14 degrees of freedom: 14 ± 5.3
    const auto& levels = CountingDice::levels;
    // Half of all are applied: 15000 ± 87. As published, a level is drawn for those too that do not ask for it.
    EXPECT_NEAR(static_cast<double>(levels.size()), 15000, 435);
    double mean = 0, square = 0;
    for (const double v : levels)
        mean += v / static_cast<double>(levels.size());
    for (const double v : levels)
        square += (v - mean) * (v - mean) / static_cast<double>(levels.size());
    EXPECT_NEAR(mean, 9.0, 0.023); // five standard errors
    EXPECT_NEAR(std::sqrt(square), 0.5, 0.017);
}
