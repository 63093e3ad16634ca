// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"

#include <gtest/gtest.h>

namespace espalier::config {

namespace {

std::string refusal(std::string_view text)
{
    const auto overlay = overlayFromText(text, "run.json");
    return overlay ? "" : overlay.error().message;
}

} // namespace

TEST(ConfigText, TakesSettingsDocumentsAndPublishedConfigurations)
{
    EXPECT_EQ(overlayFromText(R"({"training":{"steps":80}})", "x")->dump(), R"({"training":{"steps":80}})");
    const auto whole = *read(Json::parse(R"({"training":{"steps":80}})"));
    EXPECT_EQ(overlayFromText(document(whole).dump(), "x")->dump(), write(whole).dump());
    EXPECT_EQ((*overlayFromText(R"({"dataset":"cifar10","train":{"grad_norm":1.0,"warmup":5000,"epochs":7}})", "x"))["training"]["epochs"],
              7);
}

TEST(ConfigText, NamesTheFileAndTheLine)
{
    EXPECT_EQ(refusal("{\n\"seed\": 1,\n}"), "run.json is no valid JSON: line 3 cannot be read.");
    EXPECT_EQ(refusal(""), "run.json is no valid JSON: line 1 cannot be read.");
    EXPECT_EQ(refusal(R"({"seed":1,"seed":2})"), "run.json sets \"seed\" twice in one group; remove one.");
    EXPECT_EQ(refusal(R"({"a":{"b":1},"c":{"b":1}})"), "");
    EXPECT_NE(refusal(R"({"seed":1e999})").find("number"), std::string::npos);
    EXPECT_NE(refusal("[1]").find("must hold an object"), std::string::npos);
    EXPECT_NE(refusal(R"({"schema":9,"config":{}})").find("schema 9"), std::string::npos);
    EXPECT_NE(refusal(R"({"schema":"1","config":{}})"), "");
}

TEST(ConfigText, IsBoundedInSizeAndDepth)
{
    EXPECT_NE(refusal(std::string(std::size_t{2} << 20, ' ')).find("larger than 1 MiB"), std::string::npos);
    EXPECT_NE(refusal(std::string(500000, '[') + std::string(500000, ']')).find("nested deeper"), std::string::npos);
    EXPECT_NE(refusal("{\"a\":" + std::string(500, '[') + std::string(500, ']') + "}").find("nested deeper"), std::string::npos);
}

} // namespace espalier::config
