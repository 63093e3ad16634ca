// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/presets.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>

namespace espalier::config {

namespace {

std::string textOf(const std::string& path)
{
    std::ifstream file(ESPALIER_SOURCE_DIR "/" + path, std::ios::binary);
    EXPECT_TRUE(file) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEST(Presets, AreThoseOfTheDocumentation)
{
    const auto page = textOf("docs/presets.md");
    const std::regex row(R"(\n\| `([a-z0-9-]+)` \| ([^|]+) \|)");
    std::vector<std::pair<std::string, std::string>> documented, present;
    for (std::sregex_iterator it(page.begin(), page.end(), row), end; it != end; ++it)
        documented.emplace_back((*it)[1], (*it)[2]);
    for (const auto& preset : presets())
        present.emplace_back(preset.id, preset.title);
    EXPECT_EQ(present, documented);
    EXPECT_EQ(presets().front().id, "demo");
}

TEST(Presets, AreWholeAndValid)
{
    for (const auto& preset : presets()) {
        const auto file = parseText(textOf("resources/presets/" + preset.id + ".json"), preset.id);
        ASSERT_TRUE(file) << file.error().message;
        EXPECT_EQ((*file)["settings"].dump(), preset.overlay.dump());
        EXPECT_EQ(file->size(), 3u) << "title, summary, settings";
        EXPECT_FALSE(preset.summary.empty());
        EXPECT_TRUE(preset.title.find("DDPM on") == 0 || preset.title.find(':') != std::string::npos);
        auto overlay = preset.overlay;
        if (overlay["data"]["source"] == "folder") {
            EXPECT_EQ(validate(overlay)[0].path, "data.path") << preset.id;
            overlay["data"]["path"] = "/images";
        }
        if (overlay.contains("latents")) {
            EXPECT_EQ(validate(overlay)[0].path, "latents.vae") << preset.id;
            overlay["latents"]["vae"] = "/vae";
        }
        for (const auto& problem : validate(overlay))
            ADD_FAILURE() << preset.id << ": " << problem.message;
    }
}

TEST(Presets, UnknownOnesNameTheNearest)
{
    EXPECT_EQ(findPreset("garden")->title, "Garden: ten minutes on a CPU");
    EXPECT_EQ(findPreset("gardn").error().message,
              "There is no preset \"gardn\"; the presets are demo, garden, dit-garden, vit-garden, vit-autoprog-garden, "
              "vit-assembled-garden, garden-assembled, dit-autoprog-zero-garden, ddpm-cifar10, ddpm-celeba64, ddpm-celebahq256, "
              "dit-cifar10, dit-folder64, "
              "dit-s2-256, dit-b2-256, "
              "dit-xl2-256, dit-xl2-512, dit-xl2-autoprog-zero, vit-cifar10, deit-ti, deit-s, deit-b, deit-s-autoprog, "
              "vit-b-assembled, vit-l-assembled, vit-h-assembled, smoke. Did you mean garden?");
    EXPECT_EQ(findPreset("").error().code, ErrorCode::Usage);
}

} // namespace espalier::config
