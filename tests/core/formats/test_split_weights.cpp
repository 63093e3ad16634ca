// SPDX-License-Identifier: Apache-2.0
// Weights over several files, and indices that lie about them.
#include "core/formats/torch_file.h"
#include "core/formats/weights_file.h"
#include "core/formats/weights_index.h"
#include "tests/core/formats/golden_json.h"

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

class SplitWeights : public testing::Test {
protected:
    /// Two files of one tensor each, and the index that is right.
    void SetUp() override
    {
        ASSERT_TRUE(writeSafetensors(m_folder / "model-1.safetensors", {item("a", 0)}, {{"about", "text"}}));
        ASSERT_TRUE(writeSafetensors(m_folder / "model-2.safetensors", {item("b", 1)}));
        write(m_right);
    }
    SafetensorsItem item(const char* name, std::size_t value) const
    {
        return safetensorsItem(name, DType::F32, {1}, std::as_bytes(std::span(&m_values[value], 1)));
    }
    void write(const Json& index) const { ASSERT_TRUE(writeFileAtomically(m_index, index.dump())); }
    std::string reason() const
    {
        const auto file = WeightsFile::open(m_index);
        return file ? "" : file.error().message;
    }
    std::string reasonOf(const Json& index) const
    {
        write(index);
        return reason();
    }
    void expectReason(const Json& index, std::initializer_list<const char*> parts) const
    {
        const auto said = reasonOf(index);
        EXPECT_NE(said.find(m_index.string()), std::string::npos) << said;
        for (const auto* part : parts)
            EXPECT_NE(said.find(part), std::string::npos) << said;
    }
    static float valueOf(const WeightsFile& file, const std::string& name)
    {
        float value = 0.0f;
        for (const auto& entry : file.entries())
            if (entry.name == name) {
                EXPECT_TRUE(file.copy(entry, std::as_writable_bytes(std::span(&value, 1))));
            }
        return value;
    }

    ScratchFolder m_folder;
    const std::filesystem::path m_index = m_folder / "model.safetensors.index.json";
    const float m_values[3] = {1.5f, 2.5f, 3.5f};
    const Json m_right{{"metadata", {{"total_size", 8}}}, {"weight_map", {{"a", "model-1.safetensors"}, {"b", "model-2.safetensors"}}}};
};

TEST_F(SplitWeights, AreReadAsOneFile)
{
    for (const auto& path : {m_index, m_folder.path()}) {
        const auto file = WeightsFile::open(path);
        ASSERT_TRUE(file) << file.error().message;
        EXPECT_EQ(file->path(), m_index);
        EXPECT_EQ(file->files(), (std::vector{m_folder / "model-1.safetensors", m_folder / "model-2.safetensors"}));
        ASSERT_EQ(file->entries().size(), 2u);
        EXPECT_EQ(valueOf(*file, "a"), 1.5f);
        EXPECT_EQ(valueOf(*file, "b"), 2.5f);
        EXPECT_EQ(file->metadata().at("about"), "text");
    }
    const auto before = sha256OfWeights(m_index);
    ASSERT_TRUE(before);
    ASSERT_TRUE(writeSafetensors(m_folder / "model-2.safetensors", {item("b", 2)}));
    EXPECT_NE(*sha256OfWeights(m_index), *before) << "of the files, not of the index";
    EXPECT_EQ(reasonOf({{"weight_map", m_right["weight_map"]}}), "") << "the total need not be said";
}

TEST_F(SplitWeights, OfPyTorchFilesToo)
{
    const auto index = m_folder / "bin" / "pytorch_model.bin.index.json";
    std::filesystem::create_directories(index.parent_path());
    ASSERT_TRUE(writeTorch(index.parent_path() / "pytorch_model-1.bin", torchStateDict({item("a", 0)})));
    ASSERT_TRUE(writeTorch(index.parent_path() / "pytorch_model-2.bin", torchStateDict({item("b", 1)})));
    ASSERT_TRUE(writeFileAtomically(index, R"({"weight_map": {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}})"));
    for (const auto& path : {index, index.parent_path()}) {
        const auto file = WeightsFile::open(path);
        ASSERT_TRUE(file) << file.error().message;
        EXPECT_FALSE(file->manyThreads());
        EXPECT_EQ(valueOf(*file, "a"), 1.5f);
        EXPECT_EQ(valueOf(*file, "b"), 2.5f);
    }
}

TEST_F(SplitWeights, AnIndexThatIsNoneSaysSo)
{
    for (const Json& none : {Json::array(), Json("text"), Json::object(), Json{{"weight_map", 3}}, Json{{"weight_map", Json::object()}}})
        expectReason(none, {"is no index of weights"});
    ASSERT_TRUE(writeFileAtomically(m_index, "{\"weight_map\": "));
    EXPECT_NE(reason().find("is no index of weights"), std::string::npos);
    auto number = m_right;
    number["weight_map"]["b"] = 7;
    expectReason(number, {"does not name the file of \"b\""});
}

TEST_F(SplitWeights, FilesElsewhereAreNotOpened)
{
    for (const char* name : {"../model-2.safetensors", "/etc/passwd", "..", ".", "", "sub/model-2.safetensors", "a\\b"}) {
        auto index = m_right;
        index["weight_map"]["b"] = name;
        expectReason(index, {"puts \"b\" into", "which is not the name of a file beside it"});
    }
    auto zero = m_right;
    zero["weight_map"]["b"] = std::string("model-2.safetensors\0x", 21);
    expectReason(zero, {"which is not the name of a file beside it"});
    auto missing = m_right;
    missing["weight_map"]["b"] = "model-3.safetensors";
    expectReason(missing, {"lists \"model-3.safetensors\"", "no such file"});
    std::filesystem::create_directories(m_folder / "model-3.safetensors");
    expectReason(missing, {"lists \"model-3.safetensors\"", "no such file"});
    auto itself = m_right;
    itself["weight_map"]["b"] = m_index.filename().string();
    expectReason(itself, {m_index.filename().c_str()});
}

TEST_F(SplitWeights, EachTensorLiesWhereTheIndexSays)
{
    auto more = m_right;
    more["weight_map"]["c"] = "model-2.safetensors";
    expectReason(more, {"puts \"c\" into \"model-2.safetensors\"", "does not hold it"});
    auto swapped = m_right;
    swapped["weight_map"] = {{"a", "model-2.safetensors"}, {"b", "model-1.safetensors"}};
    expectReason(swapped, {"puts \"a\" into \"model-2.safetensors\"", "does not hold it"});
    ASSERT_TRUE(writeSafetensors(m_folder / "model-2.safetensors", {item("b", 1), item("c", 2)}));
    expectReason(m_right, {"does not list \"c\"", "\"model-2.safetensors\""});
    ASSERT_TRUE(writeSafetensors(m_folder / "model-2.safetensors", {item("b", 1), item("a", 2)}));
    expectReason(m_right, {"\"model-1.safetensors\" and \"model-2.safetensors\", hold \"a\""});
}

TEST_F(SplitWeights, SizesThatCannotBeAreRefused)
{
    for (const Json& size : {Json(-1), Json("many"), Json(true), Json(nullptr)}) {
        auto index = m_right;
        index["metadata"]["total_size"] = size;
        expectReason(index, {"total_size"});
    }
    for (const Json& size : {Json(9), Json(std::uint64_t{1} << 63), Json(1e300)}) {
        auto index = m_right;
        index["metadata"]["total_size"] = size;
        expectReason(index, {"speaks of", "its files hold 8"});
    }
    std::filesystem::resize_file(m_folder / "model-2.safetensors", std::filesystem::file_size(m_folder / "model-2.safetensors") - 1);
    write(m_right);
    EXPECT_NE(reason().find("model-2.safetensors"), std::string::npos) << reason();
    EXPECT_NE(reason().find(m_index.string()), std::string::npos) << reason();
}

} // namespace
