// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/classification.h"
#include "core/evaluation/inception_score.h"
#include "core/evaluation/kernel_distance.h"
#include "core/evaluation/precision_recall.h"
#include "core/evaluation/statistics.h"
#include "tests/core/evaluation/golden_matrix.h"

#include <limits>

namespace espalier::evaluation {
namespace {

using namespace espalier::tests;

FeatureStatistics statisticsOf(const at::Tensor& features)
{
    FeatureStatistics statistics(features.size(1));
    statistics.add(features);
    return statistics;
}

void expectSummary(const FeatureStatistics& statistics, const Json& wanted, double relative, const std::string& what)
{
    const auto mean = statistics.mean(), covariance = statistics.covariance();
    const auto near = [&](double got, const Json& w, double scale) { EXPECT_NEAR(got, w.get<double>(), relative * scale) << what; };
    const double length = wanted.at("mean_l2"), size = wanted.at("cov_frobenius");
    near(mean.norm().item<double>(), wanted.at("mean_l2"), length);
    near(covariance.norm().item<double>(), wanted.at("cov_frobenius"), size);
    near(covariance.trace().item<double>(), wanted.at("cov_trace"), wanted.at("cov_trace").get<double>());
    near(covariance[-1][-1].item<double>(), wanted.at("cov_last"), size);
    for (std::size_t i = 0; i < wanted.at("mean_first").size(); ++i) {
        near(mean[static_cast<std::int64_t>(i)].item<double>(), wanted.at("mean_first")[i], length);
        near(covariance[0][static_cast<std::int64_t>(i)].item<double>(), wanted.at("cov_row0_first")[i], size);
    }
}

TEST(GoldenScores, FrechetDistancesAreTheExactOnes)
{
    const auto file = goldenFolder() / "metrics" / "fid_kid.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const Json& tolerance = document.at("tolerance");
    for (const auto& [name, c] : document.at("cases").items()) {
        const auto x = goldenMatrix(c.at("x")), y = goldenMatrix(c.at("y"));
        const auto a = statisticsOf(x), b = statisticsOf(y);
        const bool offset = c.at("x").value("shift", 0.0) >= 1000;
        const double relative = tolerance.at(offset ? "large_offset_cov_relative" : "mean_cov_relative");
        expectSummary(a, c.at("stats_x"), relative, name);
        expectSummary(b, c.at("stats_y"), relative, name);
        const double exact = c.at("frechet").at("svd"), scale = c.at("frechet").at("trace_sum_plus_mean");
        const bool few = std::min(x.size(0), y.size(0)) <= x.size(1);
        const double close = tolerance.at(few ? "rank_deficient_relative_to_trace_sum" : "frechet_relative_to_trace_sum");
        EXPECT_NEAR(frechetDistance({a.mean(), a.covariance()}, {b.mean(), b.covariance()}), exact, close * scale) << name;
        EXPECT_NEAR(frechetDistanceOfFewSamples(x, y), exact, tolerance.at("frechet_relative_to_trace_sum").get<double>() * scale) << name;
    }
    for (const auto& c : document.at("closed_forms")) {
        const auto vector = [&](const char* field) { return at::tensor(c.at(field).get<std::vector<double>>(), at::kDouble); };
        EXPECT_NEAR(frechetDistance({vector("mu1"), goldenMatrix(c.at("s1"))}, {vector("mu2"), goldenMatrix(c.at("s2"))}),
                    c.at("distance").get<double>(), 1e-12);
    }
}

TEST(GoldenScores, StatisticsInUnevenBatchesAreThoseOfTheWhole)
{
    const auto file = goldenFolder() / "metrics" / "fid_kid.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const Json& c = document.at("cases").at("full_rank");
    const auto x = goldenMatrix(c.at("x"));
    FeatureStatistics statistics(x.size(1));
    std::int64_t from = 0;
    for (const auto& end : document.at("merge").at("batches_end_at")) {
        statistics.add(x.narrow(0, from, end.get<std::int64_t>() - from));
        from = end;
    }
    EXPECT_EQ(statistics.count(), x.size(0));
    expectSummary(statistics, c.at("stats_x"), 1e-12, "batches");
}

TEST(GoldenScores, KernelDistancesAreThePublishedOnes)
{
    const auto file = goldenFolder() / "metrics" / "fid_kid.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const auto x = goldenMatrix(document.at("cases").at("full_rank").at("x")),
               y = goldenMatrix(document.at("cases").at("full_rank").at("y"));
    const Json& kid = document.at("kid");
    const double relative = kid.at("tolerance_relative");
    for (std::size_t i = 0; i < kid.at("values").size(); ++i) {
        const auto rows = [&](std::size_t side) {
            return at::tensor(kid.at("row_subsets")[i][side].get<std::vector<std::int64_t>>(), at::kLong);
        };
        const double wanted = kid.at("values")[i];
        EXPECT_NEAR(squaredDiscrepancy(x.index_select(0, rows(0)), y.index_select(0, rows(1))), wanted, relative * std::abs(wanted));
    }
    // Our subsets are whole sets here, so the deviation is that of the order of rows alone.
    const auto whole = kernelDistance(x.narrow(0, 0, 40), y.narrow(0, 0, 40));
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->subsetSize, 40);
    EXPECT_NEAR(whole->mean, squaredDiscrepancy(x.narrow(0, 0, 40), y.narrow(0, 0, 40)), 1e-10);
    EXPECT_LT(whole->deviation, 1e-10);
    // Three standard errors of a mean over 100 subsets hold the value of all rows, which no subset equals.
    const auto parts = kernelDistance(x, y.narrow(0, 0, 40));
    ASSERT_TRUE(parts);
    EXPECT_GT(parts->deviation, 1e-6);
    EXPECT_NEAR(parts->mean, squaredDiscrepancy(x, y.narrow(0, 0, 40)), 0.3 * parts->deviation);
}

TEST(GoldenScores, InceptionScoresAreThePublishedOnes)
{
    const auto file = goldenFolder() / "metrics" / "inception_score.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const auto plain = goldenMatrix(document.at("logits")).to(at::kFloat);
    const auto order = at::tensor(document.at("order").get<std::vector<std::int64_t>>(), at::kLong);
    for (const auto& [name, factor] : {std::pair{"plain", 1.0f}, std::pair{"underflow", 64.0f}}) {
        const Json& wanted = document.at(name);
        const auto logits = plain * factor;
        const auto n = logits.size(0);
        for (const auto& [size, score] : wanted.at("adm_chunks").items()) {
            const auto got = inceptionScore(logits, chunksOf(n, std::stoll(size)));
            if (score.is_string()) // theirs is not a number where a probability vanishes
                EXPECT_TRUE(std::isfinite(got.mean)) << size;
            else
                EXPECT_NEAR(got.mean, score.get<double>(), 1e-5 * score.get<double>()) << size;
        }
        const auto same = [&](const InceptionScore& got, const Json& w) {
            const double mean = w.at("inception_score_mean");
            EXPECT_NEAR(got.mean, mean, 1e-9 * mean) << name;
            EXPECT_NEAR(got.deviation, w.at("inception_score_std").get<double>(), 1e-9 * mean) << name;
        };
        for (const auto& [splits, w] : wanted.at("equal_splits_no_shuffle").items())
            same(inceptionScore(logits, equalChunks(n, std::stoll(splits))), w);
        same(inceptionScore(logits.index_select(0, order), equalChunks(n, 10)), wanted.at("equal_splits_shuffled"));
    }
    const auto p = goldenMatrix(document.at("closed_forms")[0].at("p"));
    EXPECT_NEAR(inceptionScore(p.log(), chunksOf(3)).mean, document.at("closed_forms")[0].at("score").get<double>(), 1e-12);
    EXPECT_NEAR(inceptionScore(at::ones({7, 5}), chunksOf(7)).mean, 1.0, 1e-12);
    EXPECT_NEAR(inceptionScore(at::eye(6) * 1e6, chunksOf(6)).mean, 6.0, 1e-12);
    EXPECT_EQ(equalChunks(3, 10), (std::vector<std::int64_t>{1, 2, 3})); // never an empty chunk
    EXPECT_EQ(chunksOf(10'000), (std::vector<std::int64_t>{5000, 10'000}));
    EXPECT_EQ(chunksOf(12'000), (std::vector<std::int64_t>{5000, 10'000, 12'000}));
}

TEST(GoldenScores, PrecisionAndRecallAreThePublishedOnes)
{
    const auto file = goldenFolder() / "metrics" / "precision_recall.json";
    ESPALIER_NEED_GOLDEN(file);
    int exactOnes = 0;
    const Json document = readJson(file);
    for (const auto& [name, c] : document.at("cases").items()) {
        const auto reference = goldenMatrix(c.at("reference")), samples = goldenMatrix(c.at("samples"));
        for (const std::string k : {"3", "1"}) {
            const auto got = precisionRecall(reference, samples, std::stoll(k));
            ASSERT_TRUE(got) << name;
            const Json& wanted = c.at("k" + k + "_float64");
            EXPECT_NEAR(got->precision, wanted.at("precision").get<double>(), 1e-12) << name << " " << k;
            EXPECT_NEAR(got->recall, wanted.at("recall").get<double>(), 1e-12) << name << " " << k;
            // On the rim of a ball, real numbers decide by their last bit; whole ones do not.
            const bool whole = reference.equal(reference.floor()) && samples.equal(samples.floor());
            if (!whole && c.at("k" + k + "_smallest_gap_over_radius").get<double>() < 1e-5)
                continue;
            EXPECT_NEAR(got->density, c.at("k" + k + "_density_strict").get<double>(), 1e-12) << name << " " << k;
            EXPECT_NEAR(got->coverage, c.at("k" + k + "_coverage_strict").get<double>(), 1e-12) << name << " " << k;
            ++exactOnes;
        }
    }
    EXPECT_GE(exactOnes, 10);
    const auto few = precisionRecall(at::zeros({3, 2}), at::zeros({9, 2}), 3);
    ASSERT_FALSE(few);
    EXPECT_NE(few.error().message.find("at least 4 images"), std::string::npos) << few.error().message;
}

TEST(GoldenScores, PrecisionAndRecallDoNotDependOnTheBlocks)
{
    // More rows than a block has: the far half is in other blocks than the near one.
    const auto cloud = [](double shift, std::int64_t rows) {
        const auto i = at::arange(rows * 2, at::kDouble);
        return (i * 0.7548776662466927).remainder(1.0).view({rows, 2}) + shift;
    };
    const auto x = cloud(0.0, 1100), y = at::cat({cloud(0.003, 4200), cloud(50.0, 4200)});
    const auto got = precisionRecall(x, y);
    ASSERT_TRUE(got);
    const auto exact = (x.unsqueeze(1) - y.unsqueeze(0)).square().sum(2);
    const auto radius = std::get<0>((x.unsqueeze(1) - x.unsqueeze(0)).square().sum(2).kthvalue(4, 1));
    EXPECT_NEAR(got->precision, (exact <= radius.unsqueeze(1)).any(0).to(at::kDouble).mean().item<double>(), 1e-3);
    EXPECT_LE(got->precision, 0.5);
    EXPECT_GT(got->precision, 0.1);
}

TEST(GoldenScores, ClassesAreCountedWithTheLowestFirst)
{
    const auto file = goldenFolder() / "metrics" / "classification.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const auto logits = goldenMatrix(document.at("logits"));
    const auto target = at::tensor(document.at("target").get<std::vector<std::int64_t>>(), at::kLong);
    ClassificationCounts counts(logits.size(1));
    counts.add(ClassificationCounts::outcomesOf(logits.narrow(0, 0, 7), target.narrow(0, 0, 7)));
    counts.add(ClassificationCounts::outcomesOf(logits.slice(0, 7), target.slice(0, 7)));
    EXPECT_EQ(counts.count(), logits.size(0));
    EXPECT_EQ(counts.top1(), document.at("correct").at("top1").at("lowest_index_first").get<std::int64_t>());
    EXPECT_EQ(counts.top5(), document.at("correct").at("top5").at("lowest_index_first").get<std::int64_t>());
    const auto confusion = goldenMatrix(document.at("confusion_target_by_prediction")).to(at::kLong);
    EXPECT_TRUE(at::equal(counts.confusion(), confusion)) << counts.confusion();

    const auto broken = logits.clone();
    broken[0][2] = std::numeric_limits<double>::quiet_NaN();
    ClassificationCounts withNan(logits.size(1));
    withNan.add(ClassificationCounts::outcomesOf(broken, target));
    EXPECT_EQ(withNan.notFinite(), 1);
    EXPECT_EQ(withNan.count(), logits.size(0));
    EXPECT_EQ(withNan.confusion().sum().item<std::int64_t>(), logits.size(0) - 1);
}

} // namespace
} // namespace espalier::evaluation
