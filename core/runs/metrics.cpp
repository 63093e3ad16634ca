// SPDX-License-Identifier: Apache-2.0
#include "core/runs/metrics.h"

#include "core/runs/scalars.h"

#include <algorithm>
#include <cctype>

namespace espalier::runs {
namespace {

constexpr Metric kLeading[] = {{"fd", "FD", tags::kFd},
                               {"fid", "FID", tags::kFid},
                               {.name = "top1", .title = "Top-1", .tag = tags::kTop1, .higherIsBetter = true, .floor = "chance"}};

} // namespace

const Metric* leadingMetric(std::string_view name)
{
    const auto* found = std::ranges::find(kLeading, name, &Metric::name);
    return found == std::end(kLeading) ? nullptr : found;
}

std::string metricTitle(std::string_view name)
{
    if (const auto* metric = leadingMetric(name))
        return std::string(metric->title);
    if (name == "top5")
        return "Top-5";
    std::string title(name);
    std::ranges::transform(title, title.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return title;
}

bool isBetter(std::string_view metric, double a, double b)
{
    const auto* known = leadingMetric(metric);
    return known && known->higherIsBetter ? a > b : a < b;
}

} // namespace espalier::runs
