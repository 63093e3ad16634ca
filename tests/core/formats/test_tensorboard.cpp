// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_decode.h"
#include "core/formats/tensorboard.h"
#include "tests/core/formats/golden_json.h"

#include <cmath>
#include <map>

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

std::string fromHex(const std::string& hex)
{
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return bytes;
}

std::string hexOf(std::uint32_t value)
{
    char text[9];
    std::snprintf(text, sizeof text, "%08x", value);
    return text;
}

/// What a reader got, in the words of the golden file: scalars and images by tag.
void expectContent(const std::vector<TensorBoardValue>& values, const Json& want)
{
    Json scalars = Json::object(), images = Json::object();
    for (const auto& value : values) {
        if (const float* v = std::get_if<float>(&value.value)) {
            scalars[value.tag].push_back(
                Json::array({value.wallTime, value.step, std::isnan(*v) ? Json("nan") : Json(static_cast<double>(*v))}));
        } else {
            const auto& image = std::get<TensorBoardImage>(value.value);
            images[value.tag].push_back({{"wall_time", value.wallTime},
                                         {"step", value.step},
                                         {"width", image.width},
                                         {"height", image.height},
                                         {"png_bytes", image.png.size()},
                                         {"png_sha256", sha256(bytesOf(image.png))}});
        }
    }
    EXPECT_EQ(scalars, want.at("scalars"));
    EXPECT_EQ(images, want.at("images"));
}

std::vector<TensorBoardValue> valuesOf(TensorBoardReader& reader)
{
    auto values = reader.poll();
    EXPECT_TRUE(values);
    return values ? *values : std::vector<TensorBoardValue>{};
}

} // namespace

class TensorBoardGolden : public testing::Test {
protected:
    void SetUp() override
    {
        ESPALIER_NEED_GOLDEN(goldenFormats() / "tensorboard.json");
        m_list = jsonOf(goldenFormats() / "tensorboard.json");
    }
    Json m_list;
};

TEST_F(TensorBoardGolden, ChecksumsAreThoseOfTheFormat)
{
    ASSERT_FALSE(m_list.at("crc32c").empty());
    for (const auto& [text, want] : m_list.at("crc32c").items()) {
        EXPECT_EQ(hexOf(crc32c(bytesOf(text))), want.at("crc").get<std::string>());
        EXPECT_EQ(hexOf(maskedCrc32c(bytesOf(text))), want.at("masked").get<std::string>());
    }
}

TEST_F(TensorBoardGolden, AFileOfTheOriginalIsReadWhole)
{
    const auto file = goldenFormats() / m_list.at("file").get<std::string>();
    TensorBoardReader reader(file);
    const auto values = valuesOf(reader);
    expectContent(values, m_list.at("event_accumulator"));
    EXPECT_FALSE(reader.damage());
    EXPECT_EQ(reader.offset(), std::filesystem::file_size(file));
    EXPECT_EQ(reader.fileVersion(), m_list.at("records")[0].at("event").at("fileVersion").get<std::string>());
    for (const auto& value : values)
        if (const auto* image = std::get_if<TensorBoardImage>(&value.value)) {
            const auto pixels = decodeImage(bytesOf(image->png), "image");
            ASSERT_TRUE(pixels);
            // CHW of the fill that the golden file names
            const bool held = m_list.at("image").get<std::string>().find("input:held/") != std::string::npos;
            const auto u = goldenUniform(held ? "input:held/formats/tensorboard" : "input:formats/tensorboard", 3 * 6 * 8);
            for (std::size_t c = 0; c < 3; ++c)
                for (std::size_t p = 0; p < 48; ++p)
                    EXPECT_EQ(pixels->rgb[p * 3 + c], static_cast<std::uint8_t>(std::floor((u[c * 48 + p] + 1) * 128)));
        }
}

TEST_F(TensorBoardGolden, EveryRecordIsFramedAndParsedAsListed)
{
    const auto bytes = *readFile(goldenFormats() / m_list.at("file").get<std::string>());
    ASSERT_FALSE(m_list.at("records").empty());
    std::size_t at = 0;
    for (const auto& record : m_list.at("records")) {
        SCOPED_TRACE(record.at("offset"));
        ASSERT_EQ(record.at("offset").get<std::size_t>(), at);
        std::uint64_t length = 0;
        std::memcpy(&length, bytes.data() + at, 8);
        ASSERT_EQ(record.at("bytes").get<std::uint64_t>(), length + 16);
        const auto raw = bytes.substr(at, length + 16);
        if (record.contains("hex")) {
            EXPECT_EQ(raw, fromHex(record.at("hex")));
        } else {
            EXPECT_EQ(sha256(bytesOf(raw)), record.at("sha256").get<std::string>());
        }
        at += raw.size();

        std::string version;
        const auto values = parseTensorBoardEvent(bytesOf(raw).subspan(12, length), version);
        ASSERT_TRUE(values);
        const auto& event = record.at("event");
        EXPECT_EQ(version, event.value("fileVersion", std::string()));
        if (!event.contains("summary") || event.at("summary").at("value")[0].contains("tensor")) {
            EXPECT_TRUE(values->empty()); // the version, or a tensor, which is passed over
            continue;
        }
        ASSERT_EQ(values->size(), 1u);
        const auto& got = values->front();
        const auto& want = event.at("summary").at("value")[0];
        EXPECT_EQ(got.wallTime, event.at("wallTime").get<double>());
        EXPECT_EQ(got.step, std::stoll(event.value("step", std::string("0"))));
        EXPECT_EQ(got.tag, want.at("tag").get<std::string>());
        if (want.contains("image")) {
            const auto& image = std::get<TensorBoardImage>(got.value);
            EXPECT_EQ((std::vector<int>{image.height, image.width, image.channels}),
                      (std::vector<int>{want.at("image").at("height"), want.at("image").at("width"), want.at("image").at("colorspace")}));
        }
    }
    EXPECT_EQ(at, bytes.size());
}

TEST_F(TensorBoardGolden, BrokenFilesGiveWhatStandsBeforeTheDamage)
{
    ASSERT_FALSE(m_list.at("broken").empty());
    for (const auto& wanted : m_list.at("broken")) {
        const auto name = wanted.at("file").get<std::string>();
        SCOPED_TRACE(name + ": " + wanted.at("why").get<std::string>());
        TensorBoardReader reader(goldenFormats() / name);
        const auto values = valuesOf(reader);
        if (wanted.at("event_accumulator").is_object())
            expectContent(values, wanted.at("event_accumulator"));
        else
            EXPECT_TRUE(reader.damage()); // where the original gives up with an exception
        if (reader.damage())
            expectSentence(*reader.damage(), std::filesystem::path(name).filename().string());
        EXPECT_TRUE(valuesOf(reader).empty());
        if (reader.damage()) {
            EXPECT_FALSE(TensorBoardWriter::append(goldenFormats() / name));
        }
    }
}

TEST_F(TensorBoardGolden, WritesTheBytesOfTheOriginal)
{
    ScratchFolder scratch;
    int compared = 0;
    for (const auto& record : m_list.at("records")) {
        const auto& event = record.at("event");
        if (!record.contains("hex") || !event.contains("summary") || !event.at("summary").at("value")[0].contains("simpleValue"))
            continue;
        const auto& value = event.at("summary").at("value")[0];
        const auto& simple = value.at("simpleValue");
        auto writer = TensorBoardWriter::create(scratch.path(), 1);
        ASSERT_TRUE(writer);
        const auto before = std::filesystem::file_size(writer->path());
        ASSERT_TRUE(writer->addScalar(value.at("tag").get<std::string>(), std::stoll(event.value("step", std::string("0"))),
                                      event.at("wallTime"), simple.is_string() ? NAN : simple.get<float>()));
        EXPECT_EQ(readFile(writer->path())->substr(before), fromHex(record.at("hex")));
        EXPECT_EQ(record.at("bytes").get<std::size_t>(), fromHex(record.at("hex")).size());
        ++compared;
    }
    EXPECT_GT(compared, 0);
}

TEST(TensorBoard, WhatIsWrittenIsFollowed)
{
    ScratchFolder scratch;
    auto writer = TensorBoardWriter::create(scratch.path(), 1700000000.5);
    ASSERT_TRUE(writer) << writer.error().message;
    EXPECT_TRUE(writer->path().filename().string().starts_with("events.out.tfevents.1700000000."));
    TensorBoardReader reader(writer->path());
    EXPECT_TRUE(valuesOf(reader).empty());
    EXPECT_EQ(reader.fileVersion(), "brain.Event:2");
    ASSERT_TRUE(writer->addScalar("loss", 0, 1.25, 0.5f));
    ASSERT_TRUE(writer->addScalar("loss", 50'000'000'000, 2.25, -INFINITY));
    const std::string png = "not looked at";
    ASSERT_TRUE(writer->addImage("samples/ema", 7, 3.5, 8, 6, 3, bytesOf(png)));
    const auto values = valuesOf(reader);
    ASSERT_EQ(values.size(), 3u);
    EXPECT_EQ(values[0].step, 0);
    EXPECT_EQ(std::get<float>(values[0].value), 0.5f);
    EXPECT_EQ(values[1].step, 50'000'000'000);
    EXPECT_EQ(values[2].tag, "samples/ema");
    EXPECT_EQ(values[2].wallTime, 3.5);
    EXPECT_EQ(std::get<TensorBoardImage>(values[2].value).png, png);
    EXPECT_EQ(std::get<TensorBoardImage>(values[2].value).width, 8);
    EXPECT_TRUE(valuesOf(reader).empty());
}

TEST(TensorBoard, ACutRecordIsWaitedForAndRemovedWhenGoingOn)
{
    ScratchFolder scratch;
    std::filesystem::path file;
    {
        auto writer = TensorBoardWriter::create(scratch.path(), 1);
        file = writer->path();
        ASSERT_TRUE(writer->addScalar("a", 1, 1, 1));
        ASSERT_TRUE(writer->addScalar("b", 2, 1, 2));
    }
    const auto whole = *readFile(file);
    std::filesystem::resize_file(file, whole.size() - 3); // as a kill leaves it
    TensorBoardReader reader(file);
    EXPECT_EQ(valuesOf(reader).size(), 1u);
    EXPECT_FALSE(reader.damage());
    auto writer = TensorBoardWriter::append(file);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->addScalar("c", 3, 1, 3));
    const auto more = valuesOf(reader);
    ASSERT_EQ(more.size(), 1u);
    EXPECT_EQ(more[0].tag, "c");
}

TEST(TensorBoard, TwoFilesOfOneSecondDoNotShareAName)
{
    ScratchFolder scratch;
    const auto first = TensorBoardWriter::create(scratch.path(), 5), second = TensorBoardWriter::create(scratch.path(), 5);
    ASSERT_TRUE(first && second);
    EXPECT_NE(first->path(), second->path());
    EXPECT_FALSE(TensorBoardWriter::create(scratch / "missing", 5));
}

TEST(TensorBoard, NoChangedByteOfAnEventMakesItCrash)
{
    ScratchFolder scratch;
    auto writer = TensorBoardWriter::create(scratch.path(), 1);
    const std::string png = "png";
    ASSERT_TRUE(writer->addImage("tag", 300, 3.5, 8, 6, 3, bytesOf(png)));
    const auto file = *readFile(writer->path());
    const auto body = file.substr(file.find('\x09', 40));
    std::string version;
    for (std::size_t i = 0; i < body.size(); ++i)
        for (const char c : {'\0', '\x7F', '\x80', '\xFF'}) {
            std::string bad = body;
            bad[i] = c;
            (void)parseTensorBoardEvent(bytesOf(bad), version);
            (void)parseTensorBoardEvent(bytesOf(bad.substr(0, i)), version);
        }
}
