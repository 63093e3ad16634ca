// SPDX-License-Identifier: Apache-2.0
#include "core/formats/npz.h"
#include "tests/core/formats/golden_json.h"

#include <cmath>

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

void expectArray(const NpyArray& got, const Json& want)
{
    auto dtype = want.at("dtype").get<std::string>(); // ">f8" becomes little endian, "|u1" has no order
    EXPECT_EQ(std::string(1, got.type.kind) + std::to_string(got.type.bytes), dtype.substr(1));
    EXPECT_EQ(got.shape, want.at("shape").get<std::vector<std::int64_t>>());
    const auto values = toDoubles(got);
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
        sum += values[i] * static_cast<double>(i % 1013);
    ASSERT_LE(want.at("first").size(), values.size());
    for (std::size_t i = 0; i < want.at("first").size(); ++i) {
        const auto& first = want.at("first")[i];
        EXPECT_EQ(values[i], first.is_boolean() ? static_cast<double>(first.get<bool>()) : first.get<double>());
    }
    const double wanted = want.at("index_sum").get<double>();
    EXPECT_NEAR(sum, wanted, 1e-12 * std::max(1.0, std::abs(wanted)));
}

Result<std::vector<std::pair<std::string, NpyArray>>> readWhole(const std::filesystem::path& file)
{
    std::vector<std::pair<std::string, NpyArray>> arrays;
    if (file.extension() == ".npy") {
        auto array = readNpy(file);
        if (!array)
            return array.error();
        arrays.emplace_back("", std::move(*array));
        return arrays;
    }
    const auto reader = NpzReader::open(file);
    if (!reader)
        return reader.error();
    for (const auto& entry : reader->entries()) {
        auto array = reader->read(entry.name);
        if (!array)
            return array.error();
        arrays.emplace_back(entry.name, std::move(*array));
    }
    return arrays;
}

std::vector<std::uint8_t> pixels(std::size_t count)
{
    std::vector<std::uint8_t> values(count);
    for (std::size_t i = 0; i < count; ++i)
        values[i] = static_cast<std::uint8_t>(i * i / 7);
    return values;
}

} // namespace

TEST(NpzGolden, EveryFileGetsItsVerdict)
{
    expectVerdicts("npz", readWhole, [](const auto& arrays, const Json& content, const std::string& file) {
        const bool archive = file.ends_with(".npz");
        EXPECT_EQ(arrays.size(), archive ? content.size() : 1u);
        for (const auto& [key, array] : arrays) {
            SCOPED_TRACE(key);
            expectArray(array, archive ? content.at(key) : content);
        }
    });
    EXPECT_FALSE(std::filesystem::exists("PWNED"));
}

TEST(NpzGolden, ImagesComeInBatchesOrAreRefusedByName)
{
    const auto list = goldenFormats() / "npz.json";
    ESPALIER_NEED_GOLDEN(list);
    const Json cases = jsonOf(list).at("cases");
    for (const auto& wanted : cases) {
        const auto name = wanted.at("file").get<std::string>();
        if (wanted.at("verdict") != "ok" || !name.ends_with(".npz") || !wanted.at("content").contains("arr_0"))
            continue;
        SCOPED_TRACE(name);
        const auto& content = wanted.at("content").at("arr_0");
        const auto reader = NpzReader::open(goldenFormats() / name);
        ASSERT_TRUE(reader);
        auto images = reader->images("arr_0");
        const bool fits = content.at("dtype") == "|u1" && content.at("shape").size() == 4;
        ASSERT_EQ(static_cast<bool>(images), fits);
        if (!fits) {
            expectSentence(images.error(), std::filesystem::path(name).filename().string());
            continue;
        }
        NpyArray whole{kNpyUint8, {images->count(), images->height(), images->width(), images->channels()}, {}};
        std::vector<std::uint8_t> batch(images->imageBytes() * 3 - 1); // room for two
        for (;;) {
            const auto got = images->next(batch);
            ASSERT_TRUE(got) << got.error().message;
            if (*got == 0)
                break;
            EXPECT_LE(*got, 2);
            const auto bytes = std::as_bytes(std::span(batch).first(static_cast<std::size_t>(*got) * images->imageBytes()));
            whole.data.insert(whole.data.end(), bytes.begin(), bytes.end());
        }
        expectArray(whole, content);
    }
}

TEST(Npz, WhatIsWrittenIsReadAgain)
{
    ScratchFolder scratch;
    for (const auto compression : {NpzCompression::Stored, NpzCompression::Deflate})
        for (const bool known : {false, true}) {
            const auto file = scratch / "samples.npz";
            auto writer = NpzWriter::create(file, compression);
            ASSERT_TRUE(writer);
            const auto data = pixels(5 * 4 * 3 * 3);
            ASSERT_TRUE(writer->beginImages("arr_0", 4, 3, 3, known ? std::optional<std::int64_t>(5) : std::nullopt));
            ASSERT_TRUE(writer->appendImages(std::span(data).first(36)));
            ASSERT_TRUE(writer->appendImages(std::span(data).subspan(36)));
            ASSERT_TRUE(writer->endImages());
            const std::vector<std::int64_t> labels{1, 2, 3, -4, 5}, one{5}, square{2, 2}, scalar;
            const std::vector<double> sigma{1.5, 2, 3, 1e300};
            ASSERT_TRUE(writer->add("arr_1", one, labels));
            ASSERT_TRUE(writer->add("größe", square, sigma));
            ASSERT_TRUE(writer->add("count", scalar, std::vector<std::int64_t>{7}));
            ASSERT_TRUE(writer->finish());
            EXPECT_EQ(scratch.files(), 1u);

            const auto reader = NpzReader::open(file);
            ASSERT_TRUE(reader) << reader.error().message << reader.error().detail;
            const auto images = reader->read("arr_0");
            ASSERT_TRUE(images) << images.error().message;
            EXPECT_EQ(images->shape, (std::vector<std::int64_t>{5, 4, 3, 3}));
            EXPECT_TRUE(std::ranges::equal(images->data, std::as_bytes(std::span(data))));
            EXPECT_EQ(*toIntegers(*reader->read("arr_1"), "labels"), labels);
            EXPECT_EQ(toDoubles(*reader->read("größe")), sigma);
            EXPECT_EQ(*toIntegers(*reader->read("count"), "count"), std::vector<std::int64_t>{7});
            EXPECT_FALSE(reader->read("missing"));
            EXPECT_FALSE(reader->read("arr_0", 179));
            EXPECT_FALSE(toIntegers(*reader->read("größe"), "floats"));
        }
}

TEST(Npz, TheSameImagesGiveTheSameBytesWhateverTheirBatches)
{
    ScratchFolder scratch;
    const auto data = pixels(6 * 12);
    for (const int batch : {1, 2, 6}) {
        auto writer = NpzWriter::create(scratch / std::to_string(batch));
        ASSERT_TRUE(writer->beginImages("arr_0", 2, 2));
        for (int i = 0; i < 6; i += batch)
            ASSERT_TRUE(
                writer->appendImages(std::span(data).subspan(static_cast<std::size_t>(i) * 12, static_cast<std::size_t>(batch) * 12)));
        ASSERT_TRUE(writer->endImages());
        ASSERT_TRUE(writer->finish());
    }
    EXPECT_EQ(*readFile(scratch / "1"), *readFile(scratch / "2"));
    EXPECT_EQ(*readFile(scratch / "1"), *readFile(scratch / "6"));
}

TEST(Npz, AnUnfinishedFileIsNotThere)
{
    ScratchFolder scratch;
    {
        auto writer = NpzWriter::create(scratch / "a.npz");
        ASSERT_TRUE(writer);
        ASSERT_TRUE(writer->beginImages("arr_0", 1, 1, 3, 2));
        EXPECT_FALSE(writer->appendImages(pixels(4)));
        ASSERT_TRUE(writer->appendImages(pixels(3)));
        EXPECT_FALSE(writer->endImages());
        EXPECT_FALSE(writer->finish());
    }
    EXPECT_EQ(scratch.files(), 0u);
}

TEST(Npz, TooManyArraysAreCountedInZip64AndRefused)
{
    ScratchFolder scratch;
    auto writer = NpzWriter::create(scratch / "many.npz");
    ASSERT_TRUE(writer);
    const std::vector<std::int64_t> one{1}, value{1};
    for (int i = 0; i < 66000; ++i)
        ASSERT_TRUE(writer->add(std::to_string(i), one, value));
    ASSERT_TRUE(writer->finish());
    const auto refused = NpzReader::open(scratch / "many.npz");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("66000 arrays"), std::string::npos) << refused.error().message;
}

TEST(Npz, NoCutOrChangedByteMakesItCrash)
{
    ScratchFolder scratch;
    auto writer = NpzWriter::create(scratch / "a.npz", NpzCompression::Deflate);
    const std::vector<std::int64_t> shape{2, 3};
    ASSERT_TRUE(writer->add("x", shape, std::vector<double>{1, 2, 3, 4, 5, 6}));
    ASSERT_TRUE(writer->finish());
    const auto good = *readFile(scratch / "a.npz");
    const auto file = scratch / "bad.npz";
    for (std::size_t i = 0; i < good.size(); ++i) {
        ASSERT_TRUE(writeFileAtomically(file, good.substr(0, i)));
        EXPECT_FALSE(readWhole(file));
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 0x11);
        ASSERT_TRUE(writeFileAtomically(file, bad));
        if (const auto arrays = readWhole(file)) { // a date, a name: never other numbers
            for (const auto& [name, array] : *arrays)
                EXPECT_EQ(toDoubles(array), (std::vector<double>{1, 2, 3, 4, 5, 6}));
        }
    }
}
