// SPDX-License-Identifier: Apache-2.0
#include "core/formats/deep_incubation.h"
#include "core/formats/weights_file.h"
#include "tests/core/formats/golden_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>

namespace espalier::formats {
namespace {

using namespace espalier::tests;

/// Tensors of two by three numbers that live as long as this.
class Numbered2x3 {
public:
    SafetensorsItem item(const std::string& name)
    {
        auto& values = m_all.emplace_back();
        for (auto& value : values)
            value = static_cast<float>(m_next++) / 8;
        return safetensorsItem(name, DType::F32, {2, 3}, std::as_bytes(std::span(values)));
    }
    const std::array<float, 6>& operator[](std::size_t place) const { return m_all[place]; }

private:
    std::deque<std::array<float, 6>> m_all;
    int m_next = 1;
};

/// Keys of a dictionary that was read, in the order of the file.
std::vector<std::string> keysUnder(const TorchReader& file, const std::string& prefix)
{
    std::vector<std::string> keys;
    for (const auto& tensor : file.tensors())
        if (tensor.name.starts_with(prefix))
            keys.push_back(tensor.name.substr(prefix.size()));
    return keys;
}

} // namespace

TEST(DeepIncubationGolden, CheckpointsHaveThePublishedNames)
{
    const auto golden = goldenFolder() / "assembling/structure.json";
    ESPALIER_NEED_GOLDEN(golden);
    ScratchFolder scratch;
    const auto document = jsonOf(golden);
    int cases = 0;
    for (const auto& [key, wanted] : document.items()) {
        if (!wanted.is_object() || !wanted.contains("model_stages"))
            continue;
        SCOPED_TRACE(key);
        Numbered2x3 made;
        std::vector<SafetensorsItem> items; // as the network registers them
        for (const auto& name : wanted.at("model"))
            if (const auto text = name.get<std::string>(); !text.starts_with("stages."))
                items.push_back(made.item(text));
        const auto division = wanted.at("divided_depths").get<std::vector<std::int64_t>>();
        const auto file = scratch / (key + ".pth");
        const auto written = writeTorch(file, deepIncubationCheckpoint(items, {division, 1}));
        ASSERT_TRUE(written) << written.error().message;
        EXPECT_LT(written->bytes, items.size() * 24 * 2 + 64 * 1024) << "each tensor lies there once";
        const auto reader = TorchReader::open(file);
        ASSERT_TRUE(reader) << reader.error().message;
        EXPECT_EQ(keysUnder(*reader, "model."), wanted.at("model").get<std::vector<std::string>>());
        for (std::size_t module = 0; module < division.size(); ++module)
            EXPECT_EQ(keysUnder(*reader, "model_stages." + std::to_string(module) + "."),
                      wanted.at("model_stages")[module].get<std::vector<std::string>>());
        const auto read = WeightsFile::open(file, "raw");
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_EQ(read->layout(), "deep-incubation");
        ASSERT_EQ(read->entries().size(), items.size());
        for (const auto& entry : read->entries()) {
            const auto place = static_cast<std::size_t>(std::ranges::find(items, entry.name, &SafetensorsItem::name) - items.begin());
            ASSERT_LT(place, items.size()) << entry.name;
            std::array<float, 6> values{};
            ASSERT_TRUE(read->copy(entry, std::as_writable_bytes(std::span(values))));
            EXPECT_EQ(values, made[place]) << entry.name;
        }
        const auto about = Json::parse(read->metadata().at("espalier.assembling"));
        EXPECT_EQ(about["division"], Json(division));
        EXPECT_EQ(about["module"], 1);
        ++cases;
    }
    EXPECT_GT(cases, 0);
}

} // namespace espalier::formats
