// SPDX-License-Identifier: Apache-2.0
#include "core/runs/pyramid.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>

namespace espalier::runs {
namespace {

Pyramid waves(std::int64_t count)
{
    Pyramid p;
    for (std::int64_t i = 0; i < count; ++i)
        p.append({i, 1000.0 + static_cast<double>(i) * 0.5, std::sin(static_cast<double>(i) * 0.01) + (i % 7 == 0 ? 0.5 : 0.0)});
    return p;
}

} // namespace

TEST(Pyramids, GiveFewPointsTheyOwn)
{
    Pyramid p;
    for (int i = 0; i < 10; ++i)
        p.append({i, 0.0 + i, i * 1.0});
    const auto e = p.envelope(CurveAxis::Step, 2, 5, 100);
    EXPECT_TRUE(e.exact);
    EXPECT_EQ(e.rawPoints, 4);
    ASSERT_EQ(e.points.size(), 6u); // and one on each side
    EXPECT_EQ(e.points.front().x, 1);
    EXPECT_EQ(e.points.back().x, 6);
}

TEST(Pyramids, EnvelopeHoldsEveryExtreme)
{
    const auto p = waves(100'000);
    for (const auto& [x0, x1] : {std::pair{0.0, 1e5}, {123.0, 45678.0}, {50.5, 9999.5}}) {
        const int pixels = 300;
        const auto e = p.envelope(CurveAxis::Step, x0, x1, pixels);
        EXPECT_LE(e.points.size(), 2u * pixels);
        double low = 1e9, high = -1e9;
        for (std::size_t i = 0; i < p.size(); ++i)
            if (const auto point = p.point(i); point.step >= x0 && point.step <= x1) {
                low = std::min(low, point.value);
                high = std::max(high, point.value);
            }
        double seenLow = 1e9, seenHigh = -1e9, lastX = -1e9;
        for (const auto& point : e.points) {
            EXPECT_GE(point.x, lastX);
            lastX = point.x;
            seenLow = std::min(seenLow, point.y);
            seenHigh = std::max(seenHigh, point.y);
        }
        EXPECT_EQ(seenLow, low);
        EXPECT_EQ(seenHigh, high);
        double l, h;
        ASSERT_TRUE(p.valueRange(x0, x1, CurveAxis::Step, l, h));
        EXPECT_EQ(l, low);
        EXPECT_EQ(h, high);
    }
}

TEST(Pyramids, MeansAgreeWithPlainSums)
{
    const auto p = waves(10'000);
    const auto means = p.means(CurveAxis::Step, 0, 10'000, 10);
    ASSERT_EQ(means.size(), 10u);
    double sum = 0.0;
    for (int i = 1000; i < 2000; ++i)
        sum += p.point(static_cast<std::size_t>(i)).value;
    EXPECT_NEAR(means[1].y, sum / 1000.0, 1e-12); // another order of addition
}

TEST(Pyramids, ForgetWhatWasSuperseded)
{
    std::mt19937 random(3);
    for (int round = 0; round < 50; ++round) {
        auto p = waves(1 + static_cast<std::int64_t>(random() % 5000));
        const auto step = static_cast<std::int64_t>(random() % 5000);
        p.truncateAfter(step);
        for (std::int64_t i = step + 1; i < step + 700; ++i)
            p.append({i, 9000.0 + static_cast<double>(i), 5.0 + static_cast<double>(i % 3)});
        // As if built at once.
        Pyramid fresh;
        for (std::size_t i = 0; i < p.size(); ++i)
            fresh.append(p.point(i));
        const auto a = p.envelope(CurveAxis::Step, 0, 6000, 40), b = fresh.envelope(CurveAxis::Step, 0, 6000, 40);
        ASSERT_EQ(a.points.size(), b.points.size());
        for (std::size_t i = 0; i < a.points.size(); ++i) {
            EXPECT_EQ(a.points[i].x, b.points[i].x);
            EXPECT_EQ(a.points[i].y, b.points[i].y);
        }
    }
}

TEST(Pyramids, KeepNaNApart)
{
    Pyramid p;
    for (int i = 0; i < 10'000; ++i)
        p.append({i, 0.0 + i, i == 5000 ? std::numeric_limits<double>::quiet_NaN() : 1.0});
    const auto e = p.envelope(CurveAxis::Step, 0, 1e4, 100);
    ASSERT_EQ(e.notFinite.size(), 1u);
    EXPECT_NEAR(e.notFinite[0], 5000, 101);
    for (const auto& point : e.points)
        EXPECT_EQ(point.y, 1.0);
}

TEST(Pyramids, RefuseStepsThatFallAndClocksThatGoBack)
{
    Pyramid p;
    EXPECT_TRUE(p.append({5, 100.0, 1.0}));
    EXPECT_FALSE(p.append({4, 101.0, 1.0}));
    EXPECT_TRUE(p.append({6, 50.0, 1.0}));
    EXPECT_EQ(p.last().time, 100.0);
}

TEST(Pyramids, ReadBetweenPoints)
{
    Pyramid p;
    p.append({0, 0.0, 0.0});
    p.append({10, 5.0, 100.0});
    EXPECT_EQ(p.valueAt(CurveAxis::Step, 5), 50.0);
    EXPECT_EQ(p.valueAt(CurveAxis::Time, 2.5), 50.0);
    EXPECT_EQ(p.valueAt(CurveAxis::Step, 99), 100.0);
    EXPECT_TRUE(std::isnan(Pyramid().valueAt(CurveAxis::Step, 0)));
}

} // namespace espalier::runs
