// SPDX-License-Identifier: Apache-2.0
#include "core/formats/safetensors.h"
#include "tests/core/formats/golden_json.h"
#include "tests/core/formats/golden_values.h"

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

void expectTensor(const SafetensorsReader& reader, const std::string& name, const Json& want)
{
    SCOPED_TRACE("tensor " + name);
    const auto* entry = reader.find(name);
    ASSERT_NE(entry, nullptr);
    const auto* decoder = decoderOf(want.at("dtype").get<std::string>());
    ASSERT_NE(decoder, nullptr) << want.at("dtype");
    EXPECT_EQ(entry->dtype, decoder->dtype);
    EXPECT_EQ(entry->shape, want.at("shape").get<std::vector<std::int64_t>>());
    std::vector<std::byte> bytes(entry->bytes());
    const auto copied = reader.copy(*entry, bytes);
    ASSERT_TRUE(copied) << copied.error().message;
    const auto view = reader.bytes(*entry);
    ASSERT_TRUE(view);
    EXPECT_TRUE(std::equal(view->begin(), view->end(), bytes.begin(), bytes.end()));
    expectValues(*decoder, bytes, want.at("data"));
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
