// SPDX-License-Identifier: Apache-2.0
#include "core/formats/tar_gz.h"
#include "tests/core/formats/golden_json.h"

#include <zlib.h>

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

std::string octal(std::uint64_t value, int digits)
{
    std::string text(static_cast<std::size_t>(digits) + 1, '\0');
    for (int i = digits; i-- > 0; value >>= 3)
        text[static_cast<std::size_t>(i)] = static_cast<char>('0' + (value & 7));
    return text;
}

/// One member as ustar writes it.
std::string member(const std::string& name, const std::string& content, char type = '0', std::uint64_t claimed = ~0ull)
{
    std::string header(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
    put(0, name.substr(0, 100));
    put(100, octal(0644, 7));
    put(124, octal(claimed == ~0ull ? content.size() : claimed, 11));
    header[156] = type;
    put(257, std::string("ustar\0"
                         "00",
                         8));
    put(148, "        ");
    unsigned sum = 0;
    for (const char c : header)
        sum += static_cast<unsigned char>(c);
    put(148, octal(sum, 6));
    std::string padded = content;
    padded.resize((content.size() + 511) / 512 * 512, '\0');
    return header + padded;
}
const std::string kEnd(1024, '\0');

std::string gzipped(const std::string& data)
{
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&stream, data.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

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
    const std::string tar = member("cifar-10-batches-bin/", "", '5') + member("cifar-10-batches-bin/a.bin", std::string(3073, 'a')) +
                            member("b", "") + member("c", std::string(512, 'c')) + kEnd;
    const Members want{
        {"cifar-10-batches-bin/", ""}, {"cifar-10-batches-bin/a.bin", std::string(3073, 'a')}, {"b", ""}, {"c", std::string(512, 'c')}};
    for (const auto& bytes : {tar, gzipped(tar), gzipped(tar) + gzipped(kEnd), gzipped(tar) + std::string(512, '\0')}) {
        const auto members = readWhole(write(bytes));
        ASSERT_TRUE(members) << members.error().message;
        EXPECT_EQ(*members, want);
    }
}

TEST_F(TarGz, ContentMayBeReadInPiecesOrLeft)
{
    auto reader =
        TarReader::open(write(gzipped(member("a", std::string(1000, 'a')) + member("link", "", '2') + member("b", "bbb") + kEnd)));
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
    const auto members = readWhole(write(member("././@LongLink", longName + '\0', 'L') + member("short", "1") + member("pax", pax, 'x') +
                                         member("x", "2") + member("/abs", "3") + kEnd));
    ASSERT_TRUE(members) << members.error().message;
    EXPECT_EQ(*members, (Members{{longName, "1"}, {"../../etc/cron", "2"}, {"/abs", "3"}}));
}

TEST_F(TarGz, DamageIsSaid)
{
    const std::string good = member("a", "content") + kEnd;
    expectRefused("", "empty");
    expectRefused("text, not an archive", "cut");
    expectRefused(std::string(600, 'x'), "no tar archive");
    expectRefused(good.substr(0, 515), "cut");
    expectRefused(gzipped(good).substr(0, 30), "cut");
    std::string damaged = gzipped(good);
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x40);
    EXPECT_FALSE(readWhole(write(damaged)));
    expectRefused(member("a", "short", '0', 1 << 19), "cut");
    expectRefused(member("a", "x", '0', 077777777777ull), "claims", {.totalBytes = 1 << 20});
    expectRefused(member("L", "x", 'L', 1 << 20), "claims");
    expectRefused(member("x", "99 path=x\n", 'x') + member("a", ""), "pax");
    EXPECT_FALSE(TarReader::open(m_scratch / "missing.tar"));
}

TEST_F(TarGz, BombsAreBounded)
{
    const std::string zeros = member("zeros", std::string(1 << 19, '\0')) + kEnd;
    expectRefused(gzipped(zeros), "unpacks to more than", {.totalBytes = (1 << 19) + 100});
    std::string many;
    for (int i = 0; i < 20; ++i)
        many += member("m", "");
    expectRefused(gzipped(many + kEnd), "members", {.members = 10});
}

TEST_F(TarGz, NoCutOrChangedByteMakesItCrash)
{
    const std::string good = member("a", "content") + member("x", "9 path=b\n", 'x') + member("c", "d") + kEnd;
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
