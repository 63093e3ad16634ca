// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/data/dataset.h"

#include <array>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace espalier::data {

struct PreviewImage {
    std::int64_t index = 0;
    std::int32_t label = -1;
    std::string name;
    std::vector<std::uint8_t> rgb; // side × side × 3
};

struct Preview {
    int side = 0;
    std::vector<PreviewImage> images;
    std::int64_t broken = 0; // images passed over because they could not be read
};

/// The first `count` readable images; with `perClass`, the first `count` of each class, class after class.
Result<Preview> preview(const Dataset& dataset, std::int64_t count, bool perClass, std::stop_token stop);

struct Statistics {
    std::int64_t images = 0;
    std::vector<std::int64_t> perClass;   // empty without labels
    std::int64_t measured = 0;            // images that mean and deviation rest on
    std::array<double, 3> mean{};         // red, green, blue in [0, 1], over all pixels
    std::array<double, 3> deviation{};    // population standard deviation
    std::int64_t skippedFiles = 0;        // files that are no images
    std::int64_t broken = 0;              // images among the measured that could not be read
    std::vector<std::string> brokenNames; // the first few of them, with the reason
};

/// Counts every label and measures up to `limit` images, the same ones each time, spread over the set. `progress` may be empty.
Result<Statistics> statistics(const Dataset& dataset, std::int64_t limit, std::stop_token stop,
                              const std::function<void(std::int64_t done, std::int64_t of)>& progress = {});

} // namespace espalier::data
