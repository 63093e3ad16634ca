// SPDX-License-Identifier: Apache-2.0
#include "core/formats/safetensors.h"
#include "tests/core/formats/golden_json.h"

#include <bit>
#include <cmath>

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

/// The value of a float with these fields, widened to double.
double floatOf(std::uint64_t bits, int exponentBits, int mantissaBits, bool ieee)
{
    const std::uint64_t mantissa = bits & ((1ull << mantissaBits) - 1);
    const int exponent = static_cast<int>(bits >> mantissaBits & ((1ull << exponentBits) - 1));
    const double sign = bits >> (exponentBits + mantissaBits) & 1 ? -1.0 : 1.0;
    const int bias = (1 << (exponentBits - 1)) - 1, top = (1 << exponentBits) - 1;
    if (ieee && exponent == top)
        return mantissa ? NAN : sign * INFINITY;
    if (!ieee && exponent == top && mantissa == (1ull << mantissaBits) - 1)
        return NAN;
    const double m = std::ldexp(static_cast<double>(mantissa), -mantissaBits);
    return sign * (exponent ? std::ldexp(1.0 + m, exponent - bias) : std::ldexp(m, 1 - bias));
}

struct Decoder {
    const char* torchName;
    DType dtype;
    std::size_t bytes;
    std::function<Json(std::uint64_t)> value;
};

const std::vector<Decoder>& decoders()
{
    static const auto number = [](int exponentBits, int mantissaBits, bool ieee = true) {
        return [=](std::uint64_t bits) { return Json(floatOf(bits, exponentBits, mantissaBits, ieee)); };
    };
    static const auto whole = [](int bits) {
        return [=](std::uint64_t v) { return Json(static_cast<std::int64_t>(v << (64 - bits)) >> (64 - bits)); };
    };
    static const auto natural = [](std::uint64_t v) { return Json(v); };
    static const std::vector<Decoder> all{{"bool", DType::Bool, 1, [](std::uint64_t v) { return Json(v == 1); }},
                                          {"uint8", DType::U8, 1, natural},
                                          {"int8", DType::I8, 1, whole(8)},
                                          {"float8_e5m2", DType::F8E5M2, 1, number(5, 2)},
                                          {"float8_e4m3fn", DType::F8E4M3, 1, number(4, 3, false)},
                                          {"int16", DType::I16, 2, whole(16)},
                                          {"uint16", DType::U16, 2, natural},
                                          {"float16", DType::F16, 2, number(5, 10)},
                                          {"bfloat16", DType::BF16, 2, number(8, 7)},
                                          {"int32", DType::I32, 4, whole(32)},
                                          {"uint32", DType::U32, 4, natural},
                                          {"float32", DType::F32, 4, number(8, 23)},
                                          {"complex64", DType::C64, 4, number(8, 23)},
                                          {"float64", DType::F64, 8, [](std::uint64_t v) { return Json(std::bit_cast<double>(v)); }},
                                          {"int64", DType::I64, 8, whole(64)},
                                          {"uint64", DType::U64, 8, natural}};
    return all;
}

void expectValue(const Json& got, const Json& want)
{
    if (want.is_string()) { // "nan", "inf", "-inf"
        const double v = got.get<double>();
        EXPECT_EQ(std::isnan(v) ? "nan" : v > 0 ? "inf" : "-inf", want.get<std::string>());
    } else if (want.is_number_float()) {
        EXPECT_EQ(got.get<double>(), want.get<double>());
        EXPECT_EQ(std::signbit(got.get<double>()), std::signbit(want.get<double>()));
    } else {
        EXPECT_EQ(got, want);
    }
}

void expectTensor(const SafetensorsReader& reader, const std::string& name, const Json& want)
{
    SCOPED_TRACE("tensor " + name);
    const auto* entry = reader.find(name);
    ASSERT_NE(entry, nullptr);
    const auto decoder = std::find_if(decoders().begin(), decoders().end(),
                                      [&](const auto& d) { return d.torchName == want.at("dtype").get<std::string>(); });
    ASSERT_NE(decoder, decoders().end()) << want.at("dtype");
    EXPECT_EQ(entry->dtype, decoder->dtype);
    EXPECT_EQ(entry->shape, want.at("shape").get<std::vector<std::int64_t>>());
    std::vector<std::byte> bytes(entry->bytes());
    const auto copied = reader.copy(*entry, bytes);
    ASSERT_TRUE(copied) << copied.error().message;
    const auto view = reader.bytes(*entry);
    ASSERT_TRUE(view);
    EXPECT_TRUE(std::equal(view->begin(), view->end(), bytes.begin(), bytes.end()));
    ASSERT_EQ(bytes.size(), want.at("data").size() * decoder->bytes);
    for (std::size_t i = 0; i < want.at("data").size(); ++i) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, bytes.data() + i * decoder->bytes, decoder->bytes);
        expectValue(decoder->value(bits), want.at("data")[i]);
    }
}

void expectContent(const SafetensorsReader& reader, const Json& content)
{
    const auto wantMetadata = content.at("metadata").is_null() ? std::map<std::string, std::string>{}
                                                               : content.at("metadata").get<std::map<std::string, std::string>>();
    EXPECT_EQ(reader.metadata(), wantMetadata);
    EXPECT_EQ(reader.entries().size(), content.at("tensors").size());
    for (const auto& [name, want] : content.at("tensors").items())
        expectTensor(reader, name, want);
}

/// Opens and reads every byte: some refusals come only with the data.
Result<SafetensorsReader> readWhole(const std::filesystem::path& file)
{
    auto reader = SafetensorsReader::open(file);
    if (reader)
        for (const auto& entry : reader->entries())
            if (const auto view = reader->bytes(entry); !view)
                return view.error();
    return reader;
}

std::vector<SafetensorsItem> itemsOf(const SafetensorsReader& reader)
{
    std::vector<SafetensorsItem> items;
    for (const auto& entry : reader.entries())
        items.push_back(safetensorsItem(entry.name, entry.dtype, entry.shape, *reader.bytes(entry)));
    return items;
}

} // namespace

TEST(SafetensorsGolden, EveryFileGetsItsVerdict)
{
    expectVerdicts("safetensors", readWhole,
                   [](const SafetensorsReader& reader, const Json& content, const std::string&) { expectContent(reader, content); });
}

TEST(SafetensorsGolden, WhatIsReadCanBeWrittenAgain)
{
    const auto list = goldenFormats() / "safetensors.json";
    ESPALIER_NEED_GOLDEN(list);
    ScratchFolder scratch;
    const Json cases = jsonOf(list).at("cases");
    ASSERT_FALSE(cases.empty());
    for (const auto& wanted : cases) {
        if (wanted.at("verdict") != "ok" || !wanted.contains("content"))
            continue;
        SCOPED_TRACE(wanted.at("file"));
        const auto reader = SafetensorsReader::open(goldenFormats() / wanted.at("file").get<std::string>());
        ASSERT_TRUE(reader);
        const auto copy = scratch / "copy.safetensors";
        const auto written = writeSafetensors(copy, itemsOf(*reader), reader->metadata());
        ASSERT_TRUE(written) << written.error().message;
        EXPECT_EQ(written->bytes, std::filesystem::file_size(copy));
        EXPECT_EQ(written->sha256, *sha256OfFile(copy));
        const auto again = SafetensorsReader::open(copy);
        ASSERT_TRUE(again) << again.error().message;
        expectContent(*again, wanted.at("content"));
    }
}

TEST(SafetensorsGolden, WritesTheBytesOfTheReferenceLibrary)
{
    const auto file = goldenFormats() / "safetensors/all_dtypes.safetensors"; // one metadata entry: its order is not random
    ESPALIER_NEED_GOLDEN(file);
    ScratchFolder scratch;
    const auto reader = SafetensorsReader::open(file);
    ASSERT_TRUE(reader);
    auto items = itemsOf(*reader);
    std::reverse(items.begin(), items.end());
    ASSERT_TRUE(writeSafetensors(scratch / "same.safetensors", std::move(items), reader->metadata(), Sync::No));
    EXPECT_EQ(*readFile(scratch / "same.safetensors"), *readFile(file));
}

TEST(Safetensors, TypesHaveTheirNamesAndSizes)
{
    for (int i = 0; i <= static_cast<int>(DType::U64); ++i) {
        const auto dtype = static_cast<DType>(i);
        EXPECT_EQ(dtypeOf(nameOf(dtype)), dtype);
    }
    EXPECT_EQ(byteCount(DType::F4, std::vector<std::int64_t>{2, 3}), 3u);
    EXPECT_EQ(byteCount(DType::F4, std::vector<std::int64_t>{3}), std::nullopt);
    EXPECT_EQ(byteCount(DType::F6E2M3, std::vector<std::int64_t>{4}), 3u);
    EXPECT_EQ(byteCount(DType::F32, std::vector<std::int64_t>{}), 4u);
    EXPECT_EQ(byteCount(DType::F32, std::vector<std::int64_t>{-1}), std::nullopt);
    EXPECT_EQ(byteCount(DType::F32, std::vector<std::int64_t>{1ll << 40, 1ll << 40}), std::nullopt);
}

TEST(Safetensors, ProvidersAreAskedOneByOneAndMayReuseTheirBuffer)
{
    ScratchFolder scratch;
    std::vector<std::byte> staging(4);
    std::vector<SafetensorsItem> items;
    for (int i = 0; i < 3; ++i)
        items.push_back({std::string(1, static_cast<char>('a' + i)), DType::U8, {4}, [&staging, i]() -> Result<std::span<const std::byte>> {
                             std::fill(staging.begin(), staging.end(), static_cast<std::byte>(i + 1));
                             return std::span<const std::byte>(staging);
                         }});
    ASSERT_TRUE(writeSafetensors(scratch / "model.safetensors", items, {{"step", "3"}}));
    const auto reader = SafetensorsReader::open(scratch / "model.safetensors");
    ASSERT_TRUE(reader);
    EXPECT_EQ((*reader->bytes(*reader->find("c")))[3], std::byte{3});
    EXPECT_EQ((*reader->bytes(*reader->find("a")))[0], std::byte{1});
}

TEST(Safetensors, AFailureLeavesTheOldFileAndNothingBesideIt)
{
    ScratchFolder scratch;
    const auto file = scratch / "model.safetensors";
    const std::string four = "1234";
    ASSERT_TRUE(writeSafetensors(file, {safetensorsItem("w", DType::F32, {1}, bytesOf(four))}));
    const auto before = *readFile(file);
    const SafetensorsItem failing{
        "v", DType::U8, {1}, []() -> Result<std::span<const std::byte>> { return Error{ErrorCode::Device, "gone."}; }};
    EXPECT_EQ(writeSafetensors(file, {failing}).error().code, ErrorCode::Device);
    EXPECT_FALSE(writeSafetensors(file, {safetensorsItem("w", DType::F32, {2}, bytesOf(four))}));
    EXPECT_FALSE(writeSafetensors(
        file, {safetensorsItem("w", DType::F32, {1}, bytesOf(four)), safetensorsItem("w", DType::U8, {4}, bytesOf(four))}));
    EXPECT_FALSE(writeSafetensors(file, {safetensorsItem("\xFF", DType::F32, {1}, bytesOf(four))}));
    EXPECT_FALSE(writeSafetensors(scratch / "missing" / "w.safetensors", {}));
    EXPECT_EQ(*readFile(file), before);
    EXPECT_EQ(scratch.files(), 1u);
}

TEST(Safetensors, NoCutOrChangedByteMakesItCrash)
{
    ScratchFolder scratch;
    const std::string data(24, 'x');
    ASSERT_TRUE(writeSafetensors(scratch / "w", {safetensorsItem("a", DType::F32, {2, 3}, bytesOf(data))}, {{"k", "v"}}));
    const auto good = *readFile(scratch / "w");
    for (std::size_t i = 0; i < good.size(); ++i) {
        EXPECT_FALSE(parseSafetensors(bytesOf(good.substr(0, i)), i, "cut"));
        for (const char c : {'\0', '"', '{', '9', '\xFF'}) {
            std::string changed = good;
            changed[i] = c;
            (void)parseSafetensors(bytesOf(changed), changed.size(), "changed");
        }
    }
}
