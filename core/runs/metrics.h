// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace espalier::runs {

/// What a name in Evaluated::metric stands for.
struct Metric {
    std::string_view name;  // "fd"
    std::string_view title; // "FD"
    std::string_view tag;   // its curve
    bool higherIsBetter = false;
    std::string_view floor = "floor"; // what its lower bound is called
};

/// The numbers that lead an evaluation: of these a run has a best one. Null for others.
const Metric* leadingMetric(std::string_view name);
/// "FD", "Top-1"; of a name that is not known, the name in capitals.
std::string metricTitle(std::string_view name);
/// Whether `a` is better than `b`.
bool isBetter(std::string_view metric, double a, double b);

/// A leading metric and its value.
struct MeasuredValue {
    std::string metric; // "fd", "top1" …
    double value = 0.0;
    bool betterThan(const MeasuredValue& other) const { return metric == other.metric && isBetter(metric, value, other.value); }
    bool operator==(const MeasuredValue&) const = default;
};

} // namespace espalier::runs
