// SPDX-License-Identifier: Apache-2.0
#include "core/formats/mat_file.h"
#include "tests/core/formats/golden_json.h"

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

/// Writes elements in either byte order.
struct Writer {
    bool big = false;
    std::string bytes{};

    void number(std::uint64_t value, int width)
    {
        for (int i = 0; i < width; ++i)
            bytes += static_cast<char>(value >> 8 * (big ? width - 1 - i : i));
    }
    void element(std::uint32_t type, const std::string& data)
    {
        number(type, 4);
        number(data.size(), 4);
        bytes += data;
        bytes.resize((bytes.size() + 7) / 8 * 8, '\0');
    }
};

std::string numbers(bool big, const std::vector<std::uint32_t>& values)
{
    Writer writer{big};
    for (const auto value : values)
        writer.number(value, 4);
    return writer.bytes;
}

std::string matrix(bool big, std::uint32_t kind, const std::vector<std::uint32_t>& shape, const std::string& name, const std::string& rest)
{
    Writer inside{big};
    inside.element(6, numbers(big, {kind, 0}));
    inside.element(5, numbers(big, shape));
    inside.element(1, name);
    inside.bytes += rest;
    Writer whole{big};
    whole.element(14, inside.bytes);
    return whole.bytes;
}

std::string file(bool big, const std::string& content)
{
    return "MATLAB 5.0 MAT-file" + std::string(105, ' ') + (big ? std::string("\x01\x00MI", 4) : std::string("\x00\x01IM", 4)) + content;
}

std::string refusalOf(const std::string& bytes)
{
    const auto read = MatFile::parse(bytesOf(bytes), "labels.mat");
    if (read)
        return "";
    expectSentence(read.error(), "labels.mat");
    EXPECT_EQ(read.error().code, ErrorCode::Format);
    return read.error().message;
}

} // namespace

TEST(MatFile, ReadsWhatScipyWritesPackedOrNot)
{
    for (const char* name : {"plain.mat", "packed.mat"}) {
        SCOPED_TRACE(name);
        const auto path = goldenFormats() / "mat" / name;
        ESPALIER_NEED_GOLDEN(path);
        const auto bytes = readFile(path);
        ASSERT_TRUE(bytes);
        const auto mat = MatFile::parse(bytesOf(*bytes), name);
        ASSERT_TRUE(mat) << mat.error().message;
        const auto* labels = mat->find("labels");
        ASSERT_TRUE(labels);
        EXPECT_EQ(labels->kind, MatKind::Numbers);
        EXPECT_EQ(labels->shape, (std::vector<std::int64_t>{1, 4}));
        EXPECT_EQ(labels->numbers, (std::vector<double>{77, 1, 102, 5}));
        EXPECT_EQ(mat->find("trnid")->numbers, (std::vector<double>{6765, 2, 300000}));
        EXPECT_EQ(mat->find("grid")->numbers, (std::vector<double>{0, 3, 1, 4, 2, 5})); // down the columns
        EXPECT_EQ(mat->find("rows")->text, "abcd");
        const auto* annotations = mat->find("annotations");
        ASSERT_TRUE(annotations);
        EXPECT_EQ(annotations->kind, MatKind::Structs);
        EXPECT_EQ(annotations->size(), 3);
        EXPECT_EQ(annotations->fields, (std::vector<std::string>{"bbox_x1", "class", "fname"}));
        EXPECT_EQ(annotations->field(2, "fname")->text, "00003.jpg");
        EXPECT_EQ(annotations->field(0, "class")->numbers, std::vector<double>{14});
        EXPECT_EQ(annotations->field(3, "class"), nullptr);
        EXPECT_EQ(annotations->field(0, "test"), nullptr);
        const auto* names = mat->find("class_names");
        ASSERT_TRUE(names);
        EXPECT_EQ(names->kind, MatKind::Cells);
        ASSERT_EQ(names->items.size(), 3u);
        EXPECT_EQ(names->items[1].text, "Ram C/V Cargo Van Minivan 2012");
        EXPECT_EQ(names->items[2].text, "Citroën ü𝄞");
        EXPECT_EQ(mat->find("other"), nullptr);
    }
}

TEST(MatFile, ReadsEitherByteOrder)
{
    for (const bool big : {false, true}) {
        Writer data{big};
        data.element(6, numbers(big, {5, 70000}));
        const auto bytes = file(big, matrix(big, 6, {1, 2}, "tstid", data.bytes));
        const auto mat = MatFile::parse(bytesOf(bytes), "x.mat");
        ASSERT_TRUE(mat) << mat.error().message;
        EXPECT_EQ(mat->find("tstid")->numbers, (std::vector<double>{5, 70000}));
    }
}

TEST(MatFile, RefusesWhatItCannotReadWithASentence)
{
    EXPECT_NE(refusalOf("").find("it has 0 bytes"), std::string::npos);
    EXPECT_NE(refusalOf(std::string(200, 'x')).find("lacks the header"), std::string::npos);
    auto hdf = file(false, "");
    hdf[125] = 2;
    EXPECT_NE(refusalOf(hdf).find("save it anew with -v7"), std::string::npos);
    Writer data;
    data.element(9, std::string(8, '\0'));
    EXPECT_EQ(refusalOf(file(false, matrix(false, 6, {1, 1}, "a", data.bytes))), "");
    EXPECT_NE(refusalOf(file(false, matrix(false, 6, {1, 2}, "a", data.bytes))).find("an array of 2 has 1"), std::string::npos);
    EXPECT_NE(refusalOf(file(false, matrix(false, 6, {0x7FFFFFFF, 0x7FFFFFFF}, "a", data.bytes))).find("more than"), std::string::npos);
    EXPECT_NE(refusalOf(file(false, matrix(false, 6, {0xFFFFFFFF, 1}, "a", data.bytes))).find("-1 long"), std::string::npos);
    EXPECT_NE(refusalOf(file(false, matrix(false, 1, {1, 9}, "a", ""))).find("ends within"), std::string::npos);
    EXPECT_NE(refusalOf(file(false, matrix(false, 6, {1, 1}, "a", data.bytes)).substr(0, 180)).find("claims"), std::string::npos);
    std::string deep = matrix(false, 6, {1, 1}, "", data.bytes);
    for (int i = 0; i < 40; ++i)
        deep = matrix(false, 1, {1, 1}, "deep", deep);
    EXPECT_NE(refusalOf(file(false, deep)).find("deep"), std::string::npos);
    Writer packed;
    packed.element(15, "no zlib stream");
    EXPECT_NE(refusalOf(file(false, packed.bytes)).find("damaged"), std::string::npos);
}

TEST(MatFile, PassesOverWhatItDoesNotKnow)
{
    Writer rest;
    rest.element(5, numbers(false, {1}));
    const auto bytes = file(false, matrix(false, 5, {3, 3}, "sparse", rest.bytes) + matrix(false, 17, {1, 1}, "opaque", rest.bytes));
    const auto mat = MatFile::parse(bytesOf(bytes), "x.mat");
    ASSERT_TRUE(mat) << mat.error().message;
    ASSERT_TRUE(mat->find("sparse"));
    EXPECT_EQ(mat->find("sparse")->kind, MatKind::Other);
}
