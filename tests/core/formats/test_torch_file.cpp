// SPDX-License-Identifier: Apache-2.0
#include "core/formats/torch_file.h"
#include "tests/core/formats/golden_json.h"
#include "tests/core/formats/golden_values.h"

#include <chrono>
#include <cstdio>
#include <set>
#include <sys/resource.h>

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

/// A golden content as the reader should give it: tensors by name, and the rest as JSON (nothing where only tensors are).
struct Wanted {
    std::map<std::string, Json> tensors;

    static std::string keyOf(const Json& key)
    {
        if (key.is_string())
            return key.get<std::string>();
        if (key.is_object() && key.contains("tuple")) {
            std::string text;
            for (const auto& part : key.at("tuple"))
                text += (text.empty() ? "" : ", ") + keyOf(part);
            return "(" + text + ")";
        }
        return key.dump();
    }
    std::optional<Json> rest(const Json& value, const std::string& name)
    {
        if (!value.is_object())
            return value;
        if (value.contains("tensor")) {
            tensors[name.empty() ? "tensor" : name] = value;
            return {};
        }
        const auto inner = [&](const std::string& key) { return name.empty() ? key : name + "." + key; };
        if (value.contains("dict")) {
            Json object = Json::object();
            for (const auto& pair : value.at("dict"))
                if (const auto kept = rest(pair[1], inner(keyOf(pair[0]))))
                    object[keyOf(pair[0])] = *kept;
            return object.empty() && !value.at("dict").empty() ? std::optional<Json>() : object;
        }
        for (const char* kind : {"list", "tuple", "set"})
            if (value.contains(kind)) {
                Json array = Json::array();
                bool any = value.at(kind).empty();
                for (std::size_t i = 0; i < value.at(kind).size(); ++i) {
                    const auto kept = rest(value.at(kind)[i], inner(std::to_string(i)));
                    any |= kept.has_value();
                    array.push_back(kept ? *kept : Json());
                }
                return any ? std::optional(array) : std::optional<Json>();
            }
        if (value.contains("numpy"))
            return value.at("shape").empty() ? value.at("data")[0] : value;
        if (value.contains("object"))
            return rest(value.at("state"), name);
        return value.contains("bytes") ? value : value.contains("atom") ? value.at("atom") : value.at("int");
    }
};

/// Opens and reads every byte: some refusals come only with the data. Each file has to take less than 10 s.
Result<std::shared_ptr<TorchReader>> readWhole(const std::filesystem::path& file)
{
    const auto start = std::chrono::steady_clock::now();
    auto reader = TorchReader::open(file);
    std::optional<Error> refused;
    if (!reader)
        refused = reader.error();
    else
        for (const auto& tensor : reader->tensors()) {
            std::vector<std::byte> bytes(tensor.bytes);
            if (const auto copied = reader->copy(tensor, bytes); !copied && !refused)
                refused = copied.error();
        }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
    if (refused)
        return *refused;
    return std::make_shared<TorchReader>(std::move(*reader));
}

void expectContent(const std::shared_ptr<TorchReader>& reader, const Json& content)
{
    Wanted wanted;
    auto rest = wanted.rest(content, "");
    Json got = reader->rest();
    if (got.contains("set"))
        std::sort(got["set"].begin(), got["set"].end());
    EXPECT_EQ(got.dump(), rest ? rest->dump() : "{}");
    EXPECT_EQ(reader->tensors().size(), wanted.tensors.size());
    for (const auto& [name, want] : wanted.tensors) {
        SCOPED_TRACE("tensor " + name);
        const auto* tensor = reader->find(name);
        ASSERT_NE(tensor, nullptr);
        const auto* decoder = decoderOf(want.at("tensor").get<std::string>());
        ASSERT_NE(decoder, nullptr) << want.at("tensor");
        EXPECT_EQ(tensor->dtype, decoder->dtype);
        EXPECT_EQ(tensor->shape, want.at("shape").get<std::vector<std::int64_t>>());
        EXPECT_EQ(tensor->strides, want.at("stride").get<std::vector<std::int64_t>>());
        EXPECT_EQ(tensor->offset, want.at("offset").get<std::int64_t>());
        EXPECT_EQ(tensor->storage, want.at("storage").get<std::size_t>());
        std::vector<std::byte> bytes(tensor->bytes);
        const auto copied = reader->copy(*tensor, bytes);
        ASSERT_TRUE(copied) << copied.error().message;
        expectValues(*decoder, bytes, want.at("data"));
    }
}

/// The most memory that this process ever had, in MB.
long peakMegabytes()
{
    struct rusage used {};
    ::getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss / 1000;
}

/// A tensor of `count` floats that lie in `bytes`.
SafetensorsItem floats(std::string name, std::vector<std::int64_t> shape, const std::vector<float>& values)
{
    return safetensorsItem(std::move(name), DType::F32, std::move(shape), std::as_bytes(std::span(values)));
}

/// Whatever a file says, written again: the same names, values, and rest.
std::vector<TorchNode> nodesOf(const TorchReader& reader, std::vector<std::vector<std::byte>>& kept)
{
    std::vector<TorchNode> nodes;
    for (const auto& tensor : reader.tensors()) {
        kept.emplace_back(tensor.bytes);
        EXPECT_TRUE(reader.copy(tensor, kept.back()));
        nodes.push_back({tensor.name, safetensorsItem(tensor.name, tensor.dtype, tensor.shape, kept.back())});
    }
    for (const auto& [key, value] : reader.rest().items())
        nodes.push_back({key, value});
    return nodes;
}

} // namespace

TEST(TorchFileGolden, EveryFileGetsItsVerdict)
{
    expectVerdicts(
        "pt", readWhole, [](const auto& reader, const Json& content, const std::string&) { expectContent(reader, content); }, true);
}

TEST(TorchFileGolden, EveryHostileFileGetsItsVerdict)
{
    std::set<std::string> read;
    expectVerdicts(
        "hostile_pt",
        [&](const std::filesystem::path& file) {
            auto reader = readWhole(file);
            if (!reader)
                return reader;
            // An error, or 1, 2, 3 … where the file has a tensor, or a view that is not spread out.
            for (const auto& tensor : (*reader)->tensors()) {
                EXPECT_EQ(tensor.name, "w");
                EXPECT_EQ(tensor.dtype, DType::F32);
                std::vector<float> values(tensor.bytes / 4);
                EXPECT_TRUE((*reader)->copy(tensor, std::as_writable_bytes(std::span(values))));
                for (std::size_t i = 0; i < values.size(); ++i)
                    EXPECT_EQ(values[i], static_cast<float>(i + 1));
            }
            read.insert(file.stem());
            return reader;
        },
        [](const auto&, const Json&, const std::string&) {});
    EXPECT_FALSE(std::filesystem::exists("PWNED"));
    EXPECT_LT(peakMegabytes(), 700);
    EXPECT_TRUE(read.contains("traversal_names")); // what nobody asks for does no harm
}

TEST(TorchFileGolden, WhatIsReadCanBeWrittenAgain)
{
    ESPALIER_NEED_GOLDEN(goldenFormats() / "pt.json");
    ScratchFolder scratch;
    for (const char* name :
         {"dtypes.pt", "dtypes_untyped.pt", "special_values.pt", "layouts.pt", "dit_checkpoint.pt", "state_dict_legacy.pt"}) {
        SCOPED_TRACE(name);
        const auto reader = TorchReader::open(goldenFormats() / "pt" / name);
        ASSERT_TRUE(reader) << reader.error().message;
        std::vector<std::vector<std::byte>> kept;
        const auto written = writeTorch(scratch / "again.pt", nodesOf(*reader, kept));
        ASSERT_TRUE(written) << written.error().message;
        const auto again = TorchReader::open(scratch / "again.pt");
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_EQ(again->rest(), reader->rest());
        ASSERT_EQ(again->tensors().size(), reader->tensors().size());
        for (std::size_t i = 0; i < kept.size(); ++i) {
            const auto& tensor = again->tensors()[i];
            EXPECT_EQ(tensor.name, reader->tensors()[i].name);
            EXPECT_EQ(tensor.dtype, reader->tensors()[i].dtype);
            EXPECT_EQ(tensor.shape, reader->tensors()[i].shape);
            std::vector<std::byte> bytes(tensor.bytes);
            ASSERT_TRUE(again->copy(tensor, bytes));
            EXPECT_EQ(bytes, kept[i]);
        }
    }
}

TEST(TorchFile, WritesNestedDictionariesAndPlainValues)
{
    ScratchFolder scratch;
    const std::vector<float> one{1, 2, 3, 4, 5, 6}, two{7};
    const Json options = {{"model", "DiT-S/2"},    {"epochs", 1400},   {"cfg_scale", 1.5},         {"ckpt", nullptr},        {"tf32", true},
                          {"betas", {0.9, 0.999}}, {"big", 1ll << 40}, {"negative", -(1ll << 40)}, {"empty", Json::object()}};
    const auto write = [&](const std::string& name) {
        return writeTorch(scratch / name, {{"model", torchStateDict({floats("a.weight", {2, 3}, one), floats("a.bias", {}, two)})},
                                           {"ema", torchStateDict({floats("a.weight", {3, 2}, one)})},
                                           {"args", options}});
    };
    const auto written = write("some.pt");
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(written->bytes, std::filesystem::file_size(scratch / "some.pt"));
    ASSERT_TRUE(write("same.pt"));
    EXPECT_EQ(*readFile(scratch / "some.pt"), *readFile(scratch / "same.pt"));
    EXPECT_EQ(scratch.files(), 2u);

    const auto reader = TorchReader::open(scratch / "some.pt");
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(reader->rest(), (Json{{"args", options}}));
    ASSERT_EQ(reader->tensors().size(), 3u);
    const auto* turned = reader->find("ema.a.weight");
    ASSERT_NE(turned, nullptr);
    EXPECT_EQ(turned->shape, (std::vector<std::int64_t>{3, 2}));
    std::vector<float> values(6);
    ASSERT_TRUE(reader->copy(*turned, std::as_writable_bytes(std::span(values))));
    EXPECT_EQ(values, one);
}

TEST(TorchFile, AlignsWhatItWritesTo64Bytes)
{
    ScratchFolder scratch;
    const std::vector<float> values{1.25f, 2.5f, 3.75f};
    ASSERT_TRUE(writeTorch(scratch / "some.pt", torchStateDict({floats("x", {3}, values), floats("a longer name", {3}, values)})));
    const std::string file = *readFile(scratch / "some.pt");
    const std::string_view raw(reinterpret_cast<const char*>(values.data()), 12);
    const auto first = file.find(raw), second = file.find(raw, first + 1);
    ASSERT_NE(second, std::string::npos);
    EXPECT_EQ(first % 64, 0u);
    EXPECT_EQ(second % 64, 0u);
}

TEST(TorchFile, RefusesToWriteWhatCannotBeRead)
{
    ScratchFolder scratch;
    const std::vector<float> values{1};
    const auto twice = writeTorch(scratch / "twice.pt", torchStateDict({floats("x", {1}, values), floats("x", {1}, values)}));
    ASSERT_FALSE(twice);
    expectSentence(twice.error(), "twice.pt");
    const auto small = writeTorch(scratch / "small.pt", torchStateDict({floats("x", {2}, values)}));
    ASSERT_FALSE(small);
    expectSentence(small.error(), "small.pt");
    EXPECT_EQ(scratch.files(), 0u);
}

TEST(TorchFile, NamesWhatIsNoFileOfPyTorch)
{
    ScratchFolder scratch;
    const auto missing = TorchReader::open(scratch / "nowhere.pt");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::Io);
    EXPECT_FALSE(TorchReader::open(scratch.path()));
    for (const auto& [content, part] : {std::pair<std::string, const char*>{"  <html>", "web page"},
                                        {"version https://git-lfs.github.com/spec/v1\n", "git-lfs"},
                                        {std::string("\x08\0\0\0\0\0\0\0{}      ", 16), "safetensors"},
                                        {"\x80\x04.", "torch.save"},
                                        {"nothing of the kind", "neither"}}) {
        ASSERT_TRUE(writeFileAtomically(scratch / "some.pt", content));
        const auto read = TorchReader::open(scratch / "some.pt");
        ASSERT_FALSE(read) << part;
        expectSentence(read.error(), "some.pt");
        EXPECT_NE(read.error().message.find(part), std::string::npos) << read.error().message;
    }
}
