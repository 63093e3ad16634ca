// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace espalier::generation {

/// Layout of a grid: cells of equal size, `padding` pixels around and between them.
struct GridLayout {
    std::int64_t columns = 1;
    std::int64_t padding = 2;
    bool classes = false; // each column is a class
};
/// floor(sqrt(count)) columns, as the DDPM baseline lays out its previews; a column for each class when the images go through
/// `classes` in turn.
GridLayout gridLayout(std::int64_t count, std::int64_t classes = 0);

/// images: uint8 [n, h, w, 3] on the CPU; gives uint8 [H, W, 3] with a neutral ground.
at::Tensor composeGrid(const at::Tensor& images, const GridLayout& layout);

/// Says in a recipe what the columns show, where each is a class with a name.
void nameColumns(Json& recipe, const GridLayout& layout, const std::vector<std::string>& classNames);

/// Writes a grid atomically as PNG, its recipe and layout in text chunks "espalier.recipe" and "espalier.grid" (JSON).
Result<Done> writeGrid(const std::filesystem::path& file, const at::Tensor& images, const GridLayout& layout, const Json& recipe);
/// Where single images are kept: <folder>/00000.png …, or in the folders named below it, in turn.
struct ImageFiles {
    std::filesystem::path folder;
    std::vector<std::string> inTurn;
    std::filesystem::path operator()(std::int64_t image) const;
};

/// Writes one PNG per image, numbered from `first`. Files that are there already are left alone.
Result<Done> writeSingles(const ImageFiles& files, const at::Tensor& images, std::int64_t first);

} // namespace espalier::generation
