// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/reference_statistics.h"

#include "core/models/inception.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <unistd.h>

namespace espalier::evaluation {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kPool = models::Inception::kPool, kSpatial = models::Inception::kSpatial;

class ReferenceFiles : public testing::Test {
protected:
    void TearDown() override { fs::remove(m_file); }

    /// Writes arrays of those shapes, the values a function of their index.
    void write(const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& arrays, double first = 0.5) const
    {
        auto writer = formats::NpzWriter::create(m_file);
        ASSERT_TRUE(writer);
        for (const auto& [name, shape] : arrays) {
            const auto values = at::arange(c10::multiply_integers(shape), at::kDouble).remainder(97) / 97;
            values[0] = first;
            ASSERT_TRUE(
                writer->add(name, shape, std::span<const double>(values.data_ptr<double>(), static_cast<std::size_t>(values.numel()))));
        }
        ASSERT_TRUE(writer->finish());
    }
    Result<std::optional<ReferenceStatistics>> read() const
    {
        const auto reader = formats::NpzReader::open(m_file);
        EXPECT_TRUE(reader);
        return readReferenceStatistics(*reader, m_file);
    }
    void expectRefused(const std::string& part) const
    {
        const auto got = read();
        ASSERT_FALSE(got);
        EXPECT_NE(got.error().message.find(part), std::string::npos) << got.error().message;
        EXPECT_NE(got.error().message.find(m_file.string()), std::string::npos) << got.error().message;
    }

    fs::path m_file = fs::temp_directory_path() / ("reference-" + std::to_string(::getpid()) + ".npz");
};

TEST_F(ReferenceFiles, OfPytorchFidHoldPoolFeaturesAlone)
{
    write({{"mu", {kPool}}, {"sigma", {kPool, kPool}}});
    const auto got = read();
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_TRUE(got->has_value());
    EXPECT_FALSE((*got)->spatial);
    EXPECT_EQ((*got)->pool.mean[0].item<double>(), 0.5);
    EXPECT_EQ((*got)->pool.covariance[1][3].item<double>(), static_cast<double>((kPool + 3) % 97) / 97);
}

TEST_F(ReferenceFiles, OfAdmHoldBoth)
{
    write({{"mu", {kPool}}, {"sigma", {kPool, kPool}}, {"mu_s", {kSpatial}}, {"sigma_s", {kSpatial, kSpatial}}});
    const auto got = read();
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_TRUE(got->has_value() && (*got)->spatial);
    EXPECT_EQ((*got)->spatial->mean.size(0), kSpatial);
}

TEST_F(ReferenceFiles, OfImagesAloneHoldNone)
{
    write({{"arr_0", {2, 3}}});
    const auto got = read();
    ASSERT_TRUE(got);
    EXPECT_FALSE(got->has_value());
}

TEST_F(ReferenceFiles, ThatDoNotFitAreRefusedByName)
{
    write({{"mu", {kPool}}});
    expectRefused("sigma is missing");
    write({{"mu", {64}}, {"sigma", {64, 64}}});
    expectRefused("mu has shape [64]");
    write({{"mu", {kPool}}, {"sigma", {kPool, kPool}}, {"mu_s", {kSpatial}}});
    expectRefused("sigma_s is missing");
    write({{"mu", {kPool}}, {"sigma", {kPool, kPool}}}, std::numeric_limits<double>::infinity());
    expectRefused("mu holds numbers that are not finite");
}

} // namespace
} // namespace espalier::evaluation
