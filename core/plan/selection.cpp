// SPDX-License-Identifier: Apache-2.0
#include "core/plan/selection.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace espalier::plan {
namespace {

struct PowerLaw {
    double factor = 1.0, exponent = 0.0; // loss = factor * time^exponent
};

double squaredError(const PowerLaw& law, const std::vector<double>& times, const std::vector<double>& losses)
{
    double sum = 0.0;
    for (std::size_t i = 0; i < times.size(); ++i) {
        const double miss = law.factor * std::pow(times[i], law.exponent) - losses[i];
        sum += miss * miss;
    }
    return sum;
}

/// A straight line through the logarithms: where the fit begins.
PowerLaw throughLogarithms(const std::vector<double>& times, const std::vector<double>& losses)
{
    double x = 0.0, y = 0.0, xx = 0.0, xy = 0.0;
    const auto n = static_cast<double>(times.size());
    for (std::size_t i = 0; i < times.size(); ++i) {
        const double a = std::log(times[i]), b = std::log(losses[i]);
        x += a;
        y += b;
        xx += a * a;
        xy += a * b;
    }
    const double spread = n * xx - x * x;
    const double slope = spread > 0.0 ? (n * xy - x * y) / spread : 0.0;
    return {std::exp((y - slope * x) / n), slope};
}

/// Levenberg and Marquardt in linear space, over factor and exponent.
PowerLaw fitted(const std::vector<double>& times, const std::vector<double>& losses)
{
    constexpr int kRounds = 500;
    auto law = throughLogarithms(times, losses);
    double error = squaredError(law, times, losses), damping = 1e-3;
    for (int round = 0; round < kRounds && damping < 1e12; ++round) {
        double aa = 0.0, ab = 0.0, bb = 0.0, a = 0.0, b = 0.0;
        for (std::size_t i = 0; i < times.size(); ++i) {
            const double power = std::pow(times[i], law.exponent), slope = law.factor * power * std::log(times[i]);
            const double miss = law.factor * power - losses[i];
            aa += power * power;
            ab += power * slope;
            bb += slope * slope;
            a += power * miss;
            b += slope * miss;
        }
        const double da = aa * (1.0 + damping), db = bb * (1.0 + damping), determinant = da * db - ab * ab;
        if (!(determinant > 0.0))
            break;
        const PowerLaw next{law.factor - (db * a - ab * b) / determinant, law.exponent - (da * b - ab * a) / determinant};
        const double now = squaredError(next, times, losses);
        if (!(now < error)) {
            damping *= 10.0;
            continue;
        }
        const bool settled = error - now <= 1e-18 * (1.0 + error);
        law = next;
        error = now;
        damping *= 0.1;
        if (settled)
            break;
    }
    return law;
}

/// Competition ranks, best first: who is within `kSame` of the first of a group shares its rank.
std::vector<double> ranksOf(const std::vector<double>& values, const std::vector<std::size_t>& order)
{
    constexpr double kSame = 1e-6;
    std::vector<double> ranks(values.size());
    double first = 0.0, rank = 0.0;
    for (std::size_t place = 0; place < order.size(); ++place) {
        const double value = values[order[place]];
        const bool same = place > 0 && (value == first || std::abs(value - first) < kSame);
        if (!same) {
            first = value;
            rank = static_cast<double>(place + 1);
        }
        ranks[order[place]] = rank;
    }
    return ranks;
}

std::vector<std::size_t> sorted(const std::vector<double>& values, bool lessIsBetter)
{
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return lessIsBetter ? values[a] < values[b] : values[a] > values[b]; });
    return order;
}

/// What is not finite is worst.
std::vector<double> finite(std::vector<double> values, bool lessIsBetter)
{
    const double worst = lessIsBetter ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
    for (auto& value : values)
        if (!std::isfinite(value))
            value = worst;
    return values;
}

} // namespace

PowerLawChoice choosePowerLaw(const std::vector<double>& losses, const std::vector<double>& times)
{
    assert(!losses.empty() && losses.size() == times.size());
    PowerLawChoice choice;
    const auto usable = [](double value) { return std::isfinite(value) && value > 0.0; };
    std::vector<double> seenLosses, seenTimes;
    for (std::size_t i = 0; i < losses.size(); ++i)
        if (usable(losses[i]) && usable(times[i])) {
            seenLosses.push_back(losses[i]);
            seenTimes.push_back(times[i]);
        }
    if (seenLosses.size() > 1)
        choice.exponent = std::max(-fitted(seenTimes, seenLosses).exponent, 0.0);
    for (std::size_t i = 0; i < losses.size(); ++i)
        choice.scores.push_back(usable(losses[i]) && usable(times[i]) ? losses[i] * std::pow(times[i], choice.exponent)
                                                                      : std::numeric_limits<double>::infinity());
    choice.chosen = static_cast<std::size_t>(std::min_element(choice.scores.begin(), choice.scores.end()) - choice.scores.begin());
    return choice;
}

RankVote vote(const std::vector<double>& seconds, const std::vector<double>& ntk, const std::vector<double>& zico,
              const VoteWeights& weights)
{
    assert(!seconds.empty() && seconds.size() == ntk.size() && seconds.size() == zico.size());
    const auto times = finite(seconds, true), kernels = finite(ntk, false), scores = finite(zico, false);
    const auto byTime = sorted(times, true);
    const auto time = ranksOf(times, byTime), kernel = ranksOf(kernels, sorted(kernels, false)),
               score = ranksOf(scores, sorted(scores, false));
    RankVote result;
    for (std::size_t i = 0; i < seconds.size(); ++i) {
        result.ranks.push_back({time[i], kernel[i], score[i]});
        result.totals.push_back(weights.time * time[i] + weights.ntk * kernel[i] + weights.zico * score[i]);
    }
    result.chosen = byTime.front();
    for (const auto i : byTime)
        if (result.totals[i] < result.totals[result.chosen])
            result.chosen = i;
    return result;
}

} // namespace espalier::plan
