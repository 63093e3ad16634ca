// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/files.h"
#include "core/base/json.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

namespace espalier::tests {

inline Json jsonOf(const std::filesystem::path& file)
{
    const auto text = readFile(file);
    if (!text)
        throw std::runtime_error(text.error().message);
    return Json::parse(*text);
}

inline std::span<const std::byte> bytesOf(const std::string& text)
{
    return std::as_bytes(std::span(text.data(), text.size()));
}

/// The files that golden cases name lie beside the JSON.
inline std::filesystem::path goldenFormats()
{
    return goldenFolder() / "formats";
}

/// A folder that goes with the test.
class ScratchFolder {
public:
    ScratchFolder()
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "espalier-formats-XXXXXX").string();
        m_path = ::mkdtemp(pattern.data());
    }
    ~ScratchFolder() { std::filesystem::remove_all(m_path); }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    std::filesystem::path operator/(const std::string& name) const { return m_path / name; }
    const std::filesystem::path& path() const { return m_path; }
    std::size_t files() const { return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(m_path), {})); }

private:
    std::filesystem::path m_path;
};

/// One sentence that names the file: what every refusal has to be.
inline void expectSentence(const Error& error, const std::string& fileName)
{
    EXPECT_NE(error.message.find(fileName), std::string::npos) << error.message;
    EXPECT_TRUE(error.message.ends_with('.')) << error.message;
    EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
    EXPECT_LT(error.message.size(), 600u) << error.message;
}

} // namespace espalier::tests
