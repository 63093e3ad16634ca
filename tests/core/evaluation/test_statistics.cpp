// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/nearest.h"
#include "core/evaluation/random_distance.h"
#include "core/evaluation/random_features.h"
#include "core/evaluation/statistics.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace espalier::evaluation {
namespace {

at::Tensor wave(at::IntArrayRef sizes, double frequency, double phase)
{
    std::int64_t count = 1;
    for (const auto n : sizes)
        count *= n;
    const auto i = torch::arange(count, at::kDouble);
    return ((i * frequency + phase).sin() + (i * i * 0.013 * frequency).cos()).reshape(sizes);
}

Gaussian gaussian(std::vector<double> mean, std::vector<double> covariance)
{
    const auto d = static_cast<std::int64_t>(mean.size());
    return {at::tensor(mean, at::kDouble), at::tensor(covariance, at::kDouble).reshape({d, d})};
}

} // namespace

// Closed forms of metrics.md section 6.1.
TEST(Frechet, MatchesClosedForms)
{
    EXPECT_NEAR(frechetDistance(gaussian({0, 0}, {1, 0, 0, 4}), gaussian({0, 0}, {9, 0, 0, 1})), 5.0, 1e-12);
    EXPECT_NEAR(frechetDistance(gaussian({0, 0}, {2, 1, 1, 2}), gaussian({1, -1}, {1, 0.5, 0.5, 3})), 2.3202701488820514, 1e-12);
}

TEST(Frechet, IsSymmetricAndZeroForEqualSets)
{
    FeatureStatistics a(6), b(6);
    a.add(wave({40, 6}, 0.7, 0));
    b.add(wave({50, 6}, 0.9, 1));
    const Gaussian ga{a.mean(), a.covariance()}, gb{b.mean(), b.covariance()};
    EXPECT_NEAR(frechetDistance(ga, gb), frechetDistance(gb, ga), 1e-9);
    EXPECT_GT(frechetDistance(ga, gb), 0.01);
    EXPECT_NEAR(frechetDistance(ga, ga), 0.0, 1e-6 * at::trace(ga.covariance).item<double>());
}

TEST(Frechet, AgreesWithItsFormForFewSamples)
{
    const auto x = wave({24, 64}, 0.31, 0), y = wave({30, 64}, 0.47, 2);
    FeatureStatistics a(64), b(64);
    a.add(x);
    b.add(y);
    const double scale = at::trace(a.covariance()).item<double>() + at::trace(b.covariance()).item<double>();
    EXPECT_NEAR(frechetDistance({a.mean(), a.covariance()}, {b.mean(), b.covariance()}), frechetDistanceOfFewSamples(x, y), 1e-7 * scale);
}

TEST(Frechet, GrowsAsFeaturesAreScaledAndShifted)
{
    const auto x = wave({60, 5}, 0.7, 0), y = wave({60, 5}, 0.5, 1);
    auto distance = [](const at::Tensor& p, const at::Tensor& q) {
        FeatureStatistics a(5), b(5);
        a.add(p);
        b.add(q);
        return frechetDistance({a.mean(), a.covariance()}, {b.mean(), b.covariance()});
    };
    EXPECT_NEAR(distance(x * 3, y * 3), 9 * distance(x, y), 1e-8);
    const double shift = 5 * 0.25 + 2 * 0.5 * (y.mean(0) - x.mean(0)).sum().item<double>();
    EXPECT_NEAR(distance(x, y + 0.5) - distance(x, y), shift, 1e-8);
}

TEST(FeatureStatistics, DoNotDependOnTheBatches)
{
    const auto x = wave({100, 7}, 0.7, 0) + 1000.0; // a large mean must not cost digits
    FeatureStatistics whole(7), pieces(7);
    whole.add(x);
    for (const auto& [from, count] : {std::pair{0, 1}, {1, 33}, {34, 66}})
        pieces.add(x.narrow(0, from, count));
    EXPECT_EQ(pieces.count(), 100);
    EXPECT_TRUE(at::allclose(whole.covariance(), pieces.covariance(), 1e-10, 1e-12));
    EXPECT_TRUE(at::allclose(whole.covariance(), at::cov(x.t()), 1e-9, 1e-11));
    EXPECT_TRUE(at::allclose(whole.mean(), x.mean(0), 1e-12));
}

TEST(RandomFeatures, AreAFunctionOfTheSeedAndSeeTheDifference)
{
    const auto images = (wave({24, 16, 16, 3}, 0.21, 0) * 60 + 128).clamp(0, 255).to(at::kByte);
    const auto features = RandomFeatures(0, at::kCPU)(images);
    EXPECT_EQ(features.sizes(), (std::vector<std::int64_t>{24, RandomFeatures::kDimensions}));
    EXPECT_TRUE(at::equal(features, RandomFeatures(0, at::kCPU)(images)));
    EXPECT_FALSE(at::allclose(features, RandomFeatures(1, at::kCPU)(images)));
    // Batches must not matter beyond rounding.
    EXPECT_TRUE(at::allclose(features.narrow(0, 5, 3), RandomFeatures(0, at::kCPU)(images.narrow(0, 5, 3)), 1e-4, 1e-5));
    EXPECT_TRUE(at::isfinite(features).all().item<bool>());
}

TEST(RandomDistance, IsZeroForTheRealImagesAndCountsInPerCentOfTheirVariance)
{
    const auto real = (wave({60, 16, 16, 3}, 0.21, 0) * 60 + 128).clamp(0, 255).to(at::kByte);
    parallel::Crew crew;
    const auto made = RandomDistance::make(real, at::kCPU, crew);
    ASSERT_TRUE(made);
    const auto distance = [&](const at::Tensor& images) { return (*made)(images, crew)->value; };
    EXPECT_NEAR(distance(real), 0.0, 1e-4);
    // One grey picture for all has no variance and another mean: all of the variance is missing, and the means are apart.
    const auto grey = at::full_like(real, 128);
    double wanted = 0.0;
    for (const auto seed : RandomFeatures::kSeeds) {
        const RandomFeatures network(seed, at::kCPU);
        const auto features = network(real).to(at::kDouble), one = network(grey).to(at::kDouble)[0];
        const double variance = features.var(0).sum().item<double>(), apart = (features.mean(0) - one).square().sum().item<double>();
        wanted += 100.0 * (variance + apart) / variance / 5.0;
    }
    EXPECT_NEAR(distance(grey), wanted, 1e-3 * wanted);
    EXPECT_GT(distance(RandomDistance::noise(60, 16, 16)), 1.0);
}

TEST(Nearest, FindsACopyAmongTrainingImages)
{
    const auto training = (wave({50, 8, 8, 3}, 0.37, 0) * 60 + 128).clamp(0, 255).to(at::kByte);
    auto samples = (wave({4, 8, 8, 3}, 0.11, 3) * 60 + 128).clamp(0, 255).to(at::kByte);
    samples[2].copy_(training[31]);
    NearestSearch search(samples);
    search.add(training.narrow(0, 0, 20), 0);
    search.add(training.narrow(0, 20, 30), 20);
    const auto result = search.result();
    EXPECT_EQ(result.leastSample, 2);
    EXPECT_EQ(result.leastTraining, 31);
    EXPECT_NEAR(result.least, 0.0, 0.1);
    EXPECT_NEAR(result.share, 0.25, 1e-12);
    EXPECT_GT(result.median, 10.0);
}

} // namespace espalier::evaluation
