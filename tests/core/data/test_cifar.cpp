// SPDX-License-Identifier: Apache-2.0
#include "core/data/cifar.h"

#include "core/base/files.h"
#include "core/base/json.h"
#include "tests/core/data/scratch_folder.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <zlib.h>

#include <cstdio>
#include <set>

using namespace espalier;
using namespace espalier::data;
using espalier::tests::ScratchFolder;

namespace {

std::span<const std::byte> bytesOf(const std::string& text)
{
    return std::as_bytes(std::span(text));
}

/// `count` rows whose label is their number and whose planes hold 3 constants.
std::string rows(int count, int labelBytes, int classes)
{
    std::string file;
    for (int i = 0; i < count; ++i) {
        if (labelBytes == 2)
            file += static_cast<char>(i % 20);
        file += static_cast<char>(i % classes);
        for (int c = 0; c < 3; ++c)
            file += std::string(1024, static_cast<char>(i + 50 * c));
    }
    return file;
}

/// The same rows as Python 2 pickled them.
std::string batch(int count, const std::string& labels, int classes, const std::string& coarse = {})
{
    const auto text = [](const std::string& value) { return std::string("U") + static_cast<char>(value.size()) + value; };
    const auto four = [](std::size_t value) {
        return std::string{static_cast<char>(value), static_cast<char>(value >> 8), static_cast<char>(value >> 16), '\0'};
    };
    std::string pixels, list;
    for (int i = 0; i < count; ++i) {
        pixels += rows(i + 1, 0, classes).substr(static_cast<std::size_t>(i) * 3073 + 1);
        list += std::string("K") + static_cast<char>(i % classes);
    }
    std::string pickle = "\x80\x02}(" + text(labels) + "](" + list + "e";
    if (!coarse.empty())
        pickle += text(coarse) + "](" + list + "e";
    pickle += text("data") + "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK" + std::string(1, '\0') + "\x85" + text("b") +
              "tR(K\x01K" + static_cast<char>(count) + "M" + std::string{0, 12} + "\x86" + "cnumpy\ndtype\n" + text("u1") + "K" +
              std::string(1, '\0') + "K\x01\x87R(K\x03" + text("|") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + std::string(1, '\0') +
              "tb\x89T" + four(pixels.size()) + pixels + "tb";
    return pickle + "u.";
}

/// A tar archive of regular files.
std::string tarOf(const std::vector<std::pair<std::string, std::string>>& files)
{
    std::string tar;
    for (const auto& [name, content] : files) {
        std::string header(512, '\0');
        header.replace(0, name.size(), name);
        header.replace(100, 7, "0000644");
        header.replace(108, 7, "0000000");
        header.replace(116, 7, "0000000");
        char size[16];
        std::snprintf(size, sizeof size, "%011zo", content.size());
        header.replace(124, 11, size);
        header.replace(136, 11, "00000000000");
        header.replace(148, 8, "        ");
        header[156] = '0';
        header.replace(257, 5, "ustar");
        header.replace(263, 2, "00");
        unsigned sum = 0;
        for (const char c : header)
            sum += static_cast<unsigned char>(c);
        std::snprintf(size, sizeof size, "%06o", sum);
        header.replace(148, 6, size);
        header[154] = '\0';
        tar += header + content + std::string((512 - content.size() % 512) % 512, '\0');
    }
    return tar + std::string(1024, '\0');
}

void writeGzip(const std::filesystem::path& file, const std::string& content)
{
    gzFile out = gzopen(file.c_str(), "wb1");
    ASSERT_EQ(gzwrite(out, content.data(), static_cast<unsigned>(content.size())), static_cast<int>(content.size()));
    gzclose(out);
}

std::string refusalOf(const std::filesystem::path& place, const CifarOptions& options = {})
{
    const auto opened = openCifar(place, options, {});
    EXPECT_FALSE(opened);
    return opened ? "" : opened.error().message;
}

/// All that the golden file says of a picture's bytes.
void expectPixels(const std::vector<std::uint8_t>& hwc, const Json& expected)
{
    std::int64_t sum = 0, indexSum = 0;
    for (std::size_t i = 0; i < hwc.size(); ++i) {
        sum += hwc[i];
        indexSum += hwc[i] * static_cast<std::int64_t>(i % 1013);
    }
    EXPECT_EQ(sum, expected.at("sum").get<std::int64_t>());
    EXPECT_EQ(indexSum, expected.at("index_sum").get<std::int64_t>());
    const auto pixel = [&](std::size_t i) {
        return std::vector<int>(hwc.begin() + 3 * static_cast<std::ptrdiff_t>(i), hwc.begin() + 3 * static_cast<std::ptrdiff_t>(i) + 3);
    };
    const auto first = expected.at("first_pixels").get<std::vector<std::vector<int>>>();
    for (std::size_t i = 0; i < first.size(); ++i)
        EXPECT_EQ(pixel(i), first[i]);
    EXPECT_EQ(pixel(hwc.size() / 3 - 1), expected.at("last_pixel").get<std::vector<int>>());
    EXPECT_EQ(sha256(std::as_bytes(std::span(hwc))), expected.at("sha256").get<std::string>());
}

} // namespace

TEST(CifarGolden, ReadsImagesAndLabelsAsPublished)
{
    const auto folder = tests::goldenFolder() / "formats";
    ESPALIER_NEED_GOLDEN(folder / "datasets.json");
    const auto golden = Json::parse(*readFile(folder / "datasets.json")).at("cifar");
    const auto& ten = golden.at("binary");
    ScratchFolder scratch;
    for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"})
        std::filesystem::copy_file(folder / ten.at("file").get<std::string>(), scratch.path() / name);
    const auto dataset = openCifar(scratch.path(), {}, {});
    ASSERT_TRUE(dataset) << dataset.error().message;
    const auto& images = ten.at("images");
    const auto count = static_cast<std::int64_t>(images.size());
    ASSERT_EQ((*dataset)->size(), 5 * count);
    for (std::int64_t i = 0; i < 5 * count; ++i) {
        const auto& expected = images.at(static_cast<std::size_t>(i % count));
        std::vector<std::uint8_t> hwc(32 * 32 * 3);
        std::int32_t label = -1;
        ASSERT_TRUE((*dataset)->read(i, hwc, label));
        EXPECT_EQ(label, expected.at("label").get<int>());
        EXPECT_EQ((*dataset)->label(i), label);
        expectPixels(hwc, expected);
    }

    const auto& hundred = golden.at("cifar100");
    for (const char* name : {"train.bin", "test.bin"})
        std::filesystem::copy_file(folder / hundred.at("file").get<std::string>(), scratch.path() / name);
    const auto fine = openCifar(scratch.path(), {CifarKind::Cifar100, Split::Test}, {});
    ASSERT_TRUE(fine) << fine.error().message;
    ASSERT_EQ((*fine)->size(), static_cast<std::int64_t>(hundred.at("labels").size()));
    for (std::int64_t i = 0; i < (*fine)->size(); ++i) {
        std::vector<std::uint8_t> hwc(32 * 32 * 3);
        std::int32_t label = -1;
        ASSERT_TRUE((*fine)->read(i, hwc, label));
        EXPECT_EQ(label, hundred.at("labels").at(static_cast<std::size_t>(i)).at(1).get<int>());
        expectPixels(hwc, images.at(static_cast<std::size_t>(i)));
    }
}

TEST(CifarGolden, ReadsThePythonVersionAsPublished)
{
    const auto folder = tests::goldenFolder() / "formats";
    ESPALIER_NEED_GOLDEN(folder / "datasets.json");
    const auto golden = Json::parse(*readFile(folder / "datasets.json")).at("cifar");
    const auto& python = golden.at("python");
    const auto content = readFile(folder / python.at("file").get<std::string>());
    ASSERT_TRUE(content) << content.error().message;
    ScratchFolder scratch;
    scratch.write("cifar-10-batches-py/test_batch", *content);
    const auto dataset = openCifar(scratch.path(), {CifarKind::Cifar10, Split::Test}, {});
    ASSERT_TRUE(dataset) << dataset.error().message;
    const auto labels = python.at("labels").get<std::vector<int>>();
    ASSERT_EQ((*dataset)->size(), static_cast<std::int64_t>(labels.size()));
    for (std::size_t i = 0; i < labels.size(); ++i) {
        std::vector<std::uint8_t> hwc(32 * 32 * 3);
        std::int32_t label = -1;
        ASSERT_TRUE((*dataset)->read(static_cast<std::int64_t>(i), hwc, label));
        EXPECT_EQ(label, labels[i]);
        expectPixels(hwc, golden.at("binary").at("images").at(i));
    }
}

TEST(CifarGolden, RefusesWhatMustBeRefused)
{
    const auto folder = tests::goldenFolder() / "formats";
    ESPALIER_NEED_GOLDEN(folder / "datasets.json");
    const auto golden = Json::parse(*readFile(folder / "datasets.json")).at("cifar").at("must_be_refused");
    for (const auto& [name, why] : golden.items()) {
        CifarRows read;
        const auto content = readFile(folder / name);
        ASSERT_TRUE(content);
        const auto appended = read.append(bytesOf(*content), CifarKind::Cifar10, name);
        ASSERT_FALSE(appended) << name << ": " << why;
        EXPECT_EQ(appended.error().code, ErrorCode::Format);
        EXPECT_NE(appended.error().message.find(name), std::string::npos);
        EXPECT_EQ(read.size(), 0);
    }
}

TEST(Cifar, ReadsTheUnpackedFolderAndItsParent)
{
    ScratchFolder scratch;
    for (int i = 1; i <= 5; ++i)
        scratch.write("cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin", rows(i, 1, 10));
    scratch.write("cifar-10-batches-bin/test_batch.bin", rows(3, 1, 10));
    std::vector<std::string> warnings;
    const auto log = [&](LogLevel, std::string_view text) { warnings.emplace_back(text); };
    for (const auto& place : {scratch.path(), scratch.path() / "cifar-10-batches-bin", scratch.path() / "cifar-10-batches-bin" / "",
                              scratch.path() / "cifar-10-batches-bin" / "test_batch.bin"}) {
        const auto train = openCifar(place, {}, log), test = openCifar(place, {CifarKind::Cifar10, Split::Test}, log);
        ASSERT_TRUE(train && test) << place;
        EXPECT_EQ((*train)->size(), 15);
        EXPECT_EQ((*test)->size(), 3);
        EXPECT_NE((*train)->fingerprint(), (*test)->fingerprint());
        EXPECT_EQ((*train)->classNames().at(9), "truck");
    }
    EXPECT_EQ(warnings.size(), 4 * 6u); // none has as many images as published
    EXPECT_NE(warnings.front().find("data_batch_1.bin"), std::string::npos);
}

TEST(Cifar, ReadsThePublishedArchive)
{
    ScratchFolder scratch;
    writeGzip(scratch.path() / "cifar-100-binary.tar.gz", tarOf({{"cifar-100-binary/fine_label_names.txt", "apple\n"},
                                                                 {"cifar-100-binary/train.bin", rows(101, 2, 100)},
                                                                 {"cifar-100-binary/test.bin", rows(7, 2, 100)}}));
    for (const auto& place : {scratch.path(), scratch.path() / "cifar-100-binary.tar.gz"}) {
        const auto train = openCifar(place, {CifarKind::Cifar100, Split::Train}, {}),
                   test = openCifar(place, {CifarKind::Cifar100, Split::Test}, {});
        ASSERT_TRUE(train) << train.error().message;
        ASSERT_TRUE(test) << test.error().message;
        EXPECT_EQ((*train)->size(), 101);
        EXPECT_EQ((*test)->size(), 7);
        EXPECT_EQ((*train)->label(99), 99);
        std::vector<std::uint8_t> hwc(32 * 32 * 3);
        std::int32_t label = -1;
        ASSERT_TRUE((*train)->read(5, hwc, label));
        EXPECT_EQ(hwc[0], 5);
        EXPECT_EQ(hwc[1], 55);
        EXPECT_EQ(hwc[2], 105);
    }
}

TEST(Cifar, ResizesToOtherSides)
{
    ScratchFolder scratch;
    scratch.write("test.bin", rows(2, 2, 100));
    const auto small = openCifar(scratch.path(), {CifarKind::Cifar100, Split::Test, 16}, {});
    ASSERT_TRUE(small);
    std::vector<std::uint8_t> hwc(16 * 16 * 3);
    std::int32_t label = -1;
    ASSERT_TRUE((*small)->read(1, hwc, label));
    EXPECT_EQ(hwc[16 * 16 * 3 - 3], 1);
    EXPECT_EQ(hwc[16 * 16 * 3 - 1], 101);
}

TEST(Cifar, SaysWhereToGetWhatIsMissing)
{
    ScratchFolder scratch;
    const auto ten = refusalOf(scratch.path());
    for (const char* part : {"cifar-10-binary.tar.gz", "170052171", "c32a1d4ab5d03f1284b67883e8d87530", "https://"})
        EXPECT_NE(ten.find(part), std::string::npos) << ten;
    EXPECT_NE(ten.find(scratch.path().string()), std::string::npos) << ten;
    const auto hundred = refusalOf(scratch.path() / "nowhere", {CifarKind::Cifar100});
    for (const char* part : {"cifar-100-binary.tar.gz", "168513733", "03b5dce01913d631647c71ecec9e9cb8", "nowhere"})
        EXPECT_NE(hundred.find(part), std::string::npos) << hundred;
    scratch.write("data_batch_1.bin", rows(2, 1, 10));
    EXPECT_NE(refusalOf(scratch.path()).find("lacks data_batch_2.bin"), std::string::npos);
}

TEST(Cifar, ReadsThePythonVersionUnpackedAndPacked)
{
    ScratchFolder scratch;
    for (int i = 1; i <= 5; ++i)
        scratch.write("cifar-10-batches-py/data_batch_" + std::to_string(i), batch(i, "labels", 10));
    scratch.write("cifar-10-batches-py/test_batch", batch(3, "labels", 10));
    scratch.write("bin/test_batch.bin", rows(3, 1, 10));
    for (const auto& place :
         {scratch.path(), scratch.path() / "cifar-10-batches-py", scratch.path() / "cifar-10-batches-py" / "test_batch"}) {
        const auto train = openCifar(place, {}, {}), test = openCifar(place, {CifarKind::Cifar10, Split::Test}, {});
        ASSERT_TRUE(train) << train.error().message;
        ASSERT_TRUE(test) << test.error().message;
        EXPECT_EQ((*train)->size(), 15);
        EXPECT_EQ((*test)->label(2), 2);
        const auto binary = openCifar(scratch.path() / "bin", {CifarKind::Cifar10, Split::Test}, {});
        ASSERT_TRUE(binary);
        EXPECT_EQ((*test)->fingerprint(), (*binary)->fingerprint()); // the same pictures are the same data
    }
    const std::string hundred = batch(7, "fine_labels", 100, "coarse_labels");
    writeGzip(scratch.path() / "renamed.tar.gz",
              tarOf({{"cifar-100-python/meta", "pickle"}, {"cifar-100-python/test", hundred}, {"cifar-100-python/train", hundred}}));
    const auto packed = openCifar(scratch.path() / "renamed.tar.gz", {CifarKind::Cifar100, Split::Test}, {});
    ASSERT_TRUE(packed) << packed.error().message;
    EXPECT_EQ((*packed)->size(), 7);
    EXPECT_EQ((*packed)->label(6), 6);
}

TEST(Cifar, RefusesPythonBatchesThatAreNone)
{
    ScratchFolder scratch;
    const auto refusal = [&](const std::string& content) {
        scratch.write("test_batch", content);
        const auto opened = openCifar(scratch.path(), {CifarKind::Cifar10, Split::Test}, {});
        EXPECT_FALSE(opened);
        return opened ? "" : opened.error().message;
    };
    for (const auto& [content, part] : {std::pair<std::string, const char*>{"pickle", "opcode"},
                                        {"cos\nsystem\n(U\x0btouch PWNEDtR.", "nothing was run"},
                                        {batch(3, "fine_labels", 100, "coarse_labels"), "labels"},
                                        {batch(11, "labels", 11), "0 to 9"},
                                        {batch(3, "labels", 10).substr(0, 5000), "cut"}}) {
        const auto sentence = refusal(content);
        EXPECT_NE(sentence.find("test_batch"), std::string::npos) << sentence;
        EXPECT_NE(sentence.find(part), std::string::npos) << sentence;
    }
    EXPECT_FALSE(std::filesystem::exists("PWNED"));
}

TEST(Cifar, RefusesDamagedFilesByName)
{
    ScratchFolder scratch;
    scratch.write("train.bin", rows(3, 2, 100).substr(0, 5000));
    EXPECT_NE(refusalOf(scratch.path(), {CifarKind::Cifar100}).find("train.bin"), std::string::npos);
    scratch.write("train.bin", "");
    EXPECT_NE(refusalOf(scratch.path(), {CifarKind::Cifar100}).find("0 bytes"), std::string::npos);
    auto coarse = rows(3, 2, 100);
    coarse[0] = 20;
    scratch.write("train.bin", coarse);
    EXPECT_NE(refusalOf(scratch.path(), {CifarKind::Cifar100}).find("coarse label 20"), std::string::npos);

    std::string tar = tarOf({{"x/train.bin", rows(9, 2, 100)}});
    writeGzip(scratch.path() / "whole.tar.gz", tar);
    const auto packed = *readFile(scratch.path() / "whole.tar.gz");
    scratch.write("cut.tar.gz", packed.substr(0, packed.size() / 2));
    const auto cut = refusalOf(scratch.path() / "cut.tar.gz", {CifarKind::Cifar100});
    EXPECT_NE(cut.find("cut.tar.gz"), std::string::npos) << cut;
    EXPECT_NE(cut.find("168513733"), std::string::npos) << cut;
    scratch.write("text.tar.gz", "this is text");
    EXPECT_NE(refusalOf(scratch.path() / "text.tar.gz").find("text.tar.gz"), std::string::npos);
    writeGzip(scratch.path() / "other.tar.gz", tarOf({{"a/b.txt", "nothing"}}));
    EXPECT_NE(refusalOf(scratch.path() / "other.tar.gz").find("lacks data_batch_1.bin"), std::string::npos);
}

TEST(Cifar, KnowsTheNamesOfItsClasses)
{
    EXPECT_EQ(cifarClassNames(CifarKind::Cifar10).size(), 10u);
    const auto& names = cifarClassNames(CifarKind::Cifar100);
    EXPECT_EQ(names.size(), 100u);
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 100u);
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}
