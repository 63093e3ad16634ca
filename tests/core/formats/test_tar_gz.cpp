// SPDX-License-Identifier: Apache-2.0
#include "core/formats/tar_gz.h"
#include "tests/core/formats/golden_json.h"
#include "tests/core/formats/made_files.h"

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

using Members = std::vector<std::pair<std::string, std::string>>;

Result<Members> readWhole(const std::filesystem::path& file, const TarLimits& limits = {})
{
    auto reader = TarReader::open(file, limits);
    if (!reader)
        return reader.error();
    Members members;
    for (;;) {
        auto next = reader->next();
        if (!next)
            return next.error();
        if (!*next)
            return members;
        auto content = reader->readAll(1 << 20);
        if (!content)
            return content.error();
        EXPECT_EQ(content->size(), (*next)->bytes);
        members.emplace_back((*next)->name, *content);
    }
}

class TarGz : public testing::Test {
protected:
    std::filesystem::path write(const std::string& bytes)
    {
        const auto file = m_scratch / "archive.tar.gz";
        EXPECT_TRUE(writeFileAtomically(file, bytes));
        return file;
    }
    void expectRefused(const std::string& bytes, const std::string& why, const TarLimits& limits = {})
    {
        const auto members = readWhole(write(bytes), limits);
        ASSERT_FALSE(members);
        expectSentence(members.error(), "archive.tar.gz");
        EXPECT_NE(members.error().message.find(why), std::string::npos) << members.error().message;
    }
    ScratchFolder m_scratch;
};

} // namespace

TEST_F(TarGz, MembersComeInOrderPackedOrNot)
{
    const std::string tar = tarMember("cifar-10-batches-bin/", "", '5') + tarMember("cifar-10-batches-bin/a.bin", std::string(3073, 'a')) +
                            tarMember("b", "") + tarMember("c", std::string(512, 'c')) + kTarEnd;
    const Members want{
        {"cifar-10-batches-bin/", ""}, {"cifar-10-batches-bin/a.bin", std::string(3073, 'a')}, {"b", ""}, {"c", std::string(512, 'c')}};
    for (const auto& bytes : {tar, gzipped(tar), gzipped(tar) + gzipped(kTarEnd), gzipped(tar) + std::string(512, '\0')}) {
        const auto members = readWhole(write(bytes));
        ASSERT_TRUE(members) << members.error().message;
        EXPECT_EQ(*members, want);
    }
}

TEST_F(TarGz, ContentMayBeReadInPiecesOrLeft)
{
    auto reader = TarReader::open(
        write(gzipped(tarMember("a", std::string(1000, 'a')) + tarMember("link", "", '2') + tarMember("b", "bbb") + kTarEnd)));
    ASSERT_TRUE(reader);
    ASSERT_TRUE((*reader->next())->isFile);
    std::vector<std::byte> some(700);
    EXPECT_EQ(*reader->read(some), 700u);
    EXPECT_EQ(some[699], std::byte{'a'});
    EXPECT_EQ(*reader->read(some), 300u);
    EXPECT_EQ(*reader->read(some), 0u);
    EXPECT_FALSE((*reader->next())->isFile);
    EXPECT_EQ((*reader->next())->name, "b");
    EXPECT_EQ(*reader->readAll(3), "bbb");
    EXPECT_FALSE(*reader->next());
    EXPECT_FALSE(*reader->next());
}

TEST_F(TarGz, LongAndHostileNamesAreOnlyNames)
{
    const std::string longName(300, 'n'), pax = "23 path=../../etc/cron\n";
    ASSERT_EQ(pax.size(), 23u);
    const auto members = readWhole(write(tarMember("././@LongLink", longName + '\0', 'L') + tarMember("short", "1") +
                                         tarMember("pax", pax, 'x') + tarMember("x", "2") + tarMember("/abs", "3") + kTarEnd));
    ASSERT_TRUE(members) << members.error().message;
    EXPECT_EQ(*members, (Members{{longName, "1"}, {"../../etc/cron", "2"}, {"/abs", "3"}}));
}

TEST_F(TarGz, DamageIsSaid)
{
    const std::string good = tarMember("a", "content") + kTarEnd;
    expectRefused("", "empty");
    expectRefused("text, not an archive", "cut");
    expectRefused(std::string(600, 'x'), "no tar archive");
    expectRefused(good.substr(0, 515), "cut");
    expectRefused(gzipped(good).substr(0, 30), "cut");
    std::string damaged = gzipped(good);
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x40);
    EXPECT_FALSE(readWhole(write(damaged)));
    expectRefused(tarMember("a", "short", '0', 1 << 19), "cut");
    expectRefused(tarMember("a", "x", '0', 077777777777ull), "claims", {.totalBytes = 1 << 20});
    expectRefused(tarMember("L", "x", 'L', 1 << 20), "claims");
    expectRefused(tarMember("x", "99 path=x\n", 'x') + tarMember("a", ""), "pax");
    EXPECT_FALSE(TarReader::open(m_scratch / "missing.tar"));
}

TEST_F(TarGz, BombsAreBounded)
{
    const std::string zeros = tarMember("zeros", std::string(1 << 19, '\0')) + kTarEnd;
    expectRefused(gzipped(zeros), "unpacks to more than", {.totalBytes = (1 << 19) + 100});
    std::string many;
    for (int i = 0; i < 20; ++i)
        many += tarMember("m", "");
    expectRefused(gzipped(many + kTarEnd), "members", {.members = 10});
}

TEST_F(TarGz, NoCutOrChangedByteMakesItCrash)
{
    const std::string good = tarMember("a", "content") + tarMember("x", "9 path=b\n", 'x') + tarMember("c", "d") + kTarEnd;
    for (std::size_t i = 0; i < good.size(); i += 3) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 0xA5);
        (void)readWhole(write(bad));
    }
    const std::string packed = gzipped(good);
    for (std::size_t i = 0; i < packed.size(); ++i) {
        std::string bad = packed;
        bad[i] = static_cast<char>(bad[i] ^ 0xA5);
        (void)readWhole(write(bad));
    }
}
