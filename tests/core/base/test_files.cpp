// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/base/text.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <unistd.h>

namespace espalier {
namespace fs = std::filesystem;

class Files : public testing::Test {
protected:
    void SetUp() override { fs::create_directories(m_folder); }
    void TearDown() override { fs::remove_all(m_folder); }
    fs::path m_folder = fs::temp_directory_path() / ("espalier-files-" + std::to_string(::getpid()));
};

TEST_F(Files, WritesWholeFilesAndLeavesNothingBeside)
{
    ASSERT_TRUE(writeFileAtomically(m_folder / "a.json", "one", Sync::Yes));
    ASSERT_TRUE(writeFileAtomically(m_folder / "a.json", "two"));
    EXPECT_EQ(*readFile(m_folder / "a.json"), "two");
    EXPECT_EQ(std::distance(fs::directory_iterator(m_folder), fs::directory_iterator()), 1);
}

TEST_F(Files, NamesTheFileThatCouldNotBeWritten)
{
    const auto result = writeFileAtomically(m_folder / "missing" / "a.json", "x");
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("a.json"), std::string::npos);
}

TEST_F(Files, RefusesAFileOverItsLimit)
{
    ASSERT_TRUE(writeFileAtomically(m_folder / "big", std::string(100, 'x')));
    const auto result = readFile(m_folder / "big", 99);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::Format);
}

TEST_F(Files, HashesAsTheStandardSays)
{
    EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ASSERT_TRUE(writeFileAtomically(m_folder / "abc", "abc"));
    EXPECT_EQ(*sha256OfFile(m_folder / "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Text, SpeaksTheUnitsOfTheWindow)
{
    using namespace std::chrono_literals;
    EXPECT_EQ(groupedNumber(12400), "12\u2009400");
    EXPECT_EQ(groupedNumber(999), "999");
    EXPECT_EQ(durationText(7860s), "2 h 11 m");
    EXPECT_EQ(durationText(7200s), "2 h");
    EXPECT_EQ(durationText(480s), "8 m");
    EXPECT_EQ(durationText(485s), "8 m 5 s");
    EXPECT_EQ(durationText(400ms), "0.4 s");
    EXPECT_EQ(bytesText(61'000'000'000), "61.0 GB");
    EXPECT_EQ(nearestWord("learning_rat", {"learning_rate", "seed"}), "learning_rate");
    EXPECT_EQ(nearestWord("zzzz", {"learning_rate", "seed"}), "");
}

TEST(GoldenFill, MatchesItsOracle)
{
    // Printed by tests/golden/fill.py.
    const auto u = tests::goldenUniform("input:x", 4);
    EXPECT_EQ(u, (std::vector<double>{-0.9233454442997688, -0.3625203074706562, -0.698059523439065, 0.16332625994034133}));
}

} // namespace espalier
