// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace espalier::config {

TEST(SettingsPage, IsTheOneInDocs)
{
    const std::string path = ESPALIER_SOURCE_DIR "/docs/settings.md";
    if (std::getenv("ESPALIER_WRITE_DOCS"))
        std::ofstream(path, std::ios::binary) << settingsPage();
    std::ifstream file(path, std::ios::binary);
    const std::string kept{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(kept, settingsPage()) << "docs/settings.md is out of date: run with ESPALIER_WRITE_DOCS=1 to write it anew";
}

TEST(SettingsPage, ListsEverySetting)
{
    const auto page = settingsPage();
    for (const auto& field : fields()) {
        EXPECT_NE(page.find("| `" + typedPath(field) + "`"), std::string::npos) << field.path;
        EXPECT_NE(page.find(field.help), std::string::npos) << field.path;
    }
}

} // namespace espalier::config
