// SPDX-License-Identifier: Apache-2.0
#include "core/runs/scalars.h"
#include "tests/core/runs/run_files.h"

#include <cmath>
#include <limits>

namespace espalier::runs {

class Scalars : public tests::RunFiles {
protected:
    std::filesystem::path m_file = m_folder / "loss.bin";
};

TEST_F(Scalars, ReadBackWhatWasWritten)
{
    auto writer = ScalarWriter::create(m_file, "loss/train", "nats");
    ASSERT_TRUE(writer);
    writer->add({1, 1.5, 0.25});
    writer->add({2, 2.5, std::numeric_limits<double>::quiet_NaN()});
    ASSERT_TRUE(writer->flush());
    ScalarReader reader(m_file);
    std::vector<ScalarPoint> points;
    EXPECT_EQ(*reader.poll(points), 2u);
    EXPECT_EQ(reader.tag(), "loss/train");
    EXPECT_EQ(reader.unit(), "nats");
    EXPECT_EQ(points[0].value, 0.25);
    EXPECT_TRUE(std::isnan(points[1].value));
    writer->add({3, 3.5, 1.0});
    EXPECT_EQ(*reader.poll(points), 0u); // not flushed
    ASSERT_TRUE(writer->flush());
    EXPECT_EQ(*reader.poll(points), 1u);
    EXPECT_EQ(points.back().step, 3);
}

TEST_F(Scalars, HaveTheDocumentedLayout)
{
    {
        auto writer = ScalarWriter::create(m_file, "loss", "");
        ASSERT_TRUE(writer);
        writer->add({1, 2.0, 3.0});
    }
    const auto bytes = textOf(m_file);
    ASSERT_EQ(bytes.size(), 32u + 24u);
    EXPECT_EQ(bytes.substr(0, 8), "ESPALSCA");
    EXPECT_EQ(bytes.substr(8, 16), std::string("\1\0\0\0\40\0\0\0\4\0\0\0\0\0\0\0", 16));
    EXPECT_EQ(bytes.substr(24, 8), std::string("loss\0\0\0\0", 8));
    EXPECT_EQ(bytes.substr(32, 8), std::string("\1\0\0\0\0\0\0\0", 8));
}

TEST_F(Scalars, ATornRecordWaitsForItsRest)
{
    {
        auto writer = ScalarWriter::create(m_file, "loss", "");
        ASSERT_TRUE(writer);
        writer->add({1, 2.0, 3.0});
        writer->add({2, 2.0, 4.0});
    }
    const auto whole = textOf(m_file);
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        const auto part = m_folder / "part.bin";
        std::filesystem::remove(part);
        append(part, whole.substr(0, cut));
        ScalarReader reader(part);
        std::vector<ScalarPoint> points;
        const auto got = reader.poll(points);
        ASSERT_TRUE(got) << cut;
        EXPECT_EQ(points.size(), cut < 32 ? 0 : (cut - 32) / 24);
        append(part, whole.substr(cut));
        ASSERT_TRUE(reader.poll(points));
        ASSERT_EQ(points.size(), 2u);
        EXPECT_EQ(points[1].value, 4.0);
    }
}

TEST_F(Scalars, AreNeverWrittenTwice)
{
    ASSERT_TRUE(ScalarWriter::create(m_file, "loss", ""));
    EXPECT_FALSE(ScalarWriter::create(m_file, "loss", ""));
}

TEST_F(Scalars, HostileHeadersAreErrors)
{
    std::vector<ScalarPoint> points;
    const auto poll = [&](const std::string& bytes) {
        std::filesystem::remove(m_file);
        append(m_file, bytes);
        return ScalarReader(m_file).poll(points);
    };
    EXPECT_FALSE(poll("GIF89a and so on, at some length here"));
    EXPECT_FALSE(poll(std::string("ESPALSCA\2\0\0\0\40\0\0\0\4\0\0\0\0\0\0\0", 24)));                 // version
    EXPECT_FALSE(poll(std::string("ESPALSCA\1\0\0\0\xff\xff\xff\xff\4\0\0\0\0\0\0\0", 24)));          // header length
    EXPECT_FALSE(poll(std::string("ESPALSCA\1\0\0\0\40\0\0\0\xff\xff\xff\x7f\xff\xff\xff\x7f", 24))); // tag length
    EXPECT_FALSE(poll(std::string("ESPALSCA\1\0\0\0\41\0\0\0\4\0\0\0\0\0\0\0", 24)));                 // odd
    EXPECT_FALSE(ScalarReader(m_folder).poll(points));
    EXPECT_TRUE(points.empty());
}

} // namespace espalier::runs
