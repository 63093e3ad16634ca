// SPDX-License-Identifier: Apache-2.0
// Of helpers.json: the generator streams are those of PyTorch's CPU generator, which we do not draw from, and the toy track (2-D points)
// is not part of this program. The scaling of bytes is tested with the training step.
#include "core/formats/image_grid.h"
#include "core/generation/generator.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::generation {
namespace {

using namespace espalier::tests;

TEST(GoldenImages, SamplesAreRoundedAsGeneratePyDoes)
{
    const auto file = goldenFolder() / "ddpm" / "helpers.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json quantise = readJson(file).at("quantise");
    const auto x = at::tensor(quantise.at("x").get<std::vector<double>>()).to(at::kFloat).view({1, 1, 1, -1});
    const auto got = quantised(x).flatten();
    const auto wanted = quantise.at("generate").get<std::vector<int>>();
    ASSERT_EQ(got.numel(), static_cast<std::int64_t>(wanted.size()));
    for (std::size_t i = 0; i < wanted.size(); ++i)
        EXPECT_EQ(got[static_cast<std::int64_t>(i)].item<int>(), wanted[i]) << quantise.at("x")[i];
}

TEST(GoldenImages, GridsOfTheTrainerAreThoseOfSaveImage)
{
    const auto file = goldenFolder() / "ddpm" / "helpers.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json preview = readJson(file).at("preview");
    const auto input = preview.at("input").get<std::string>(); // "input:preview [5,3,3,2]"
    const auto shape = Json::parse(input.substr(input.find('['))).get<std::vector<std::int64_t>>();
    ASSERT_EQ(shape.size(), 4u);
    const auto values = goldenInput(input.substr(0, input.find(' ')), shape);
    formats::GridOptions options{.columns = preview.at("nrow").get<int>()};
    options.normalise = true;
    options.range = {-1.0f, 1.0f};
    const auto grid = formats::imageGrid(std::span(values), static_cast<int>(shape[0]), static_cast<int>(shape[1]),
                                         static_cast<int>(shape[2]), static_cast<int>(shape[3]), options);
    const Json& rows = preview.at("hwc");
    ASSERT_EQ(static_cast<std::size_t>(grid.height), rows.size());
    ASSERT_EQ(static_cast<std::size_t>(grid.width), rows[0].size());
    for (std::size_t y = 0; y < rows.size(); ++y)
        for (std::size_t x = 0; x < rows[y].size(); ++x)
            for (std::size_t c = 0; c < 3; ++c)
                EXPECT_EQ(grid.row(static_cast<int>(y))[3 * x + c], rows[y][x][c].get<int>()) << "row " << y << ", column " << x;
}

} // namespace
} // namespace espalier::generation
