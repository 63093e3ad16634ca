// SPDX-License-Identifier: Apache-2.0
#include "core/generation/grid.h"

#include "core/base/files.h"
#include "core/formats/png.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

namespace espalier::generation {
namespace {

formats::PixelView viewOf(const at::Tensor& image)
{
    return {static_cast<int>(image.size(1)),
            static_cast<int>(image.size(0)),
            static_cast<int>(image.size(2)),
            {image.data_ptr<std::uint8_t>(), static_cast<std::size_t>(image.numel())}};
}

} // namespace

GridLayout gridLayout(std::int64_t count, std::int64_t classes)
{
    constexpr std::int64_t kMostColumns = 32;
    if (classes > 0 && classes <= kMostColumns && count >= classes)
        return {classes, 2, true};
    return {std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(std::sqrt(static_cast<double>(count))))), 2};
}

void nameColumns(Json& recipe, const GridLayout& layout, const std::vector<std::string>& classNames)
{
    if (layout.classes && classNames.size() == static_cast<std::size_t>(layout.columns))
        recipe["class_names"] = classNames;
}

at::Tensor composeGrid(const at::Tensor& images, const GridLayout& layout)
{
    const auto n = images.size(0), h = images.size(1), w = images.size(2);
    const auto rows = (n + layout.columns - 1) / layout.columns;
    const auto pad = layout.padding;
    auto grid = at::full({rows * (h + pad) + pad, layout.columns * (w + pad) + pad, images.size(3)}, 128, at::kByte);
    for (std::int64_t i = 0; i < n; ++i) {
        const auto y = pad + (i / layout.columns) * (h + pad), x = pad + (i % layout.columns) * (w + pad);
        grid.narrow(0, y, h).narrow(1, x, w).copy_(images[i]);
    }
    return grid;
}

Result<Done> writeGrid(const std::filesystem::path& file, const at::Tensor& images, const GridLayout& layout, const Json& recipe)
{
    const auto grid = composeGrid(images, layout);
    const Json about{{"columns", layout.columns},
                     {"padding", layout.padding},
                     {"cell_width", images.size(2)},
                     {"cell_height", images.size(1)},
                     {"count", images.size(0)}};
    return formats::writePng(file, viewOf(grid), {{"espalier.recipe", recipe.dump()}, {"espalier.grid", about.dump()}});
}

std::filesystem::path ImageFiles::operator()(std::int64_t image) const
{
    const auto name = fmt::format("{:05d}.png", image);
    return inTurn.empty() ? folder / name : folder / inTurn[static_cast<std::size_t>(image) % inTurn.size()] / name;
}

Result<Done> writeSingles(const ImageFiles& files, const at::Tensor& images, std::int64_t first)
{
    for (const auto& below : files.inTurn) {
        std::error_code problem;
        std::filesystem::create_directories(files.folder / below, problem);
        if (problem)
            return ioError("make the folder", files.folder / below, problem.value());
    }
    for (std::int64_t i = 0; i < images.size(0); ++i) {
        const auto file = files(first + i);
        if (std::filesystem::exists(file))
            continue;
        const auto image = images[i].contiguous();
        if (auto written = formats::writePng(file, viewOf(image)); !written)
            return written;
    }
    return Done{};
}

} // namespace espalier::generation
