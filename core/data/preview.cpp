// SPDX-License-Identifier: Apache-2.0
#include "core/data/preview.h"

#include "core/data/order.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier::data {

namespace {

constexpr std::size_t kMostNames = 20;
constexpr std::int64_t kLook = 4096; // labels between two looks at the stop token

Error cancelled()
{
    return {ErrorCode::Cancelled, "Stopped.", {}};
}

bool concernsOneImage(const Error& error)
{
    return error.code == ErrorCode::Io || error.code == ErrorCode::Format;
}

} // namespace

Result<Preview> preview(const Dataset& dataset, std::int64_t count, bool perClass, std::stop_token stop)
{
    const std::size_t classes = perClass ? std::max<std::size_t>(dataset.classNames().size(), 1) : 1;
    std::vector<std::vector<PreviewImage>> found(classes);
    std::size_t missing = count > 0 ? classes : 0;
    Preview result;
    result.side = dataset.side();
    for (std::int64_t i = 0; i < dataset.size() && missing > 0; ++i) {
        if (stop.stop_requested())
            return cancelled();
        const std::int32_t label = dataset.label(i);
        auto& row = found[classes == 1 || label < 0 ? 0 : static_cast<std::size_t>(label)];
        if (static_cast<std::int64_t>(row.size()) >= count)
            continue;
        PreviewImage image{i, label, dataset.nameOf(i), std::vector<std::uint8_t>(dataset.imageBytes())};
        if (auto read = dataset.read(i, image.rgb, image.label); !read) {
            if (!concernsOneImage(read.error()))
                return read.error();
            ++result.broken;
            continue;
        }
        row.push_back(std::move(image));
        missing -= static_cast<std::int64_t>(row.size()) == count;
    }
    for (auto& row : found)
        std::move(row.begin(), row.end(), std::back_inserter(result.images));
    return result;
}

Result<Statistics> statistics(const Dataset& dataset, std::int64_t limit, std::stop_token stop,
                              const std::function<void(std::int64_t, std::int64_t)>& progress)
{
    Statistics result;
    result.images = dataset.size();
    result.skippedFiles = dataset.skippedFiles();
    result.perClass.assign(dataset.classNames().size(), 0);
    for (std::int64_t i = 0; i < dataset.size() && !result.perClass.empty(); ++i) {
        if (i % kLook == 0 && stop.stop_requested())
            return cancelled();
        ++result.perClass[static_cast<std::size_t>(dataset.label(i))];
    }

    const std::int64_t wanted = std::clamp<std::int64_t>(limit, 0, dataset.size());
    const Permutation subset(0, Stream::Subset, 0, dataset.size());
    std::array<std::uint64_t, 3> sum{}, squares{}; // exact: whole numbers
    std::vector<std::uint8_t> hwc(dataset.imageBytes());
    for (std::int64_t n = 0; n < wanted; ++n) {
        if (stop.stop_requested())
            return cancelled();
        const std::int64_t index = wanted == dataset.size() ? n : subset(n);
        std::int32_t label = -1;
        if (auto read = dataset.read(index, hwc, label); !read) {
            if (!concernsOneImage(read.error()))
                return read.error();
            if (result.brokenNames.size() < kMostNames)
                result.brokenNames.push_back(fmt::format("{}: {}", dataset.nameOf(index), read.error().message));
            ++result.broken;
            continue;
        }
        ++result.measured;
        for (std::size_t i = 0; i < hwc.size(); ++i) {
            sum[i % 3] += hwc[i];
            squares[i % 3] += static_cast<std::uint64_t>(hwc[i]) * hwc[i];
        }
        if (progress)
            progress(n + 1, wanted);
    }
    const double pixels = static_cast<double>(result.measured) * dataset.side() * dataset.side();
    for (std::size_t c = 0; c < 3 && result.measured > 0; ++c) {
        const double mean = static_cast<double>(sum[c]) / pixels;
        result.mean[c] = mean / 255.0;
        result.deviation[c] = std::sqrt(std::max(0.0, static_cast<double>(squares[c]) / pixels - mean * mean)) / 255.0;
    }
    return result;
}

} // namespace espalier::data
