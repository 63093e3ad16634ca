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

/// The walk over formats/<name>.json: each file it lists has the bytes it says, is read with `readWhole`, and meets its verdict. "ok" has
/// to be read (or, where the file says nothing of a content, may be refused with `mayRefuse`), "refuse" has to fail with a sentence,
/// anything else may do either; what was read goes to expectContent(value, content, file).
template <class ReadWhole, class ExpectContent>
void expectVerdicts(const std::string& name, const ReadWhole& readWhole, const ExpectContent& expectContent, bool mayRefuse = false)
{
    const auto list = goldenFormats() / (name + ".json");
    ESPALIER_NEED_GOLDEN(list);
    const Json cases = jsonOf(list).at("cases");
    ASSERT_FALSE(cases.empty());
    for (const auto& wanted : cases) {
        const auto file = wanted.at("file").get<std::string>(), verdict = wanted.at("verdict").get<std::string>();
        SCOPED_TRACE(file + ": " + wanted.at(wanted.contains("why") ? "why" : "note").get<std::string>());
        ASSERT_EQ(std::filesystem::file_size(goldenFormats() / file), wanted.at("bytes").get<std::uint64_t>());
        const auto value = readWhole(goldenFormats() / file);
        if (!value) {
            EXPECT_TRUE(verdict != "ok" || (mayRefuse && !wanted.contains("content"))) << value.error().message;
            expectSentence(value.error(), std::filesystem::path(file).filename().string());
            continue;
        }
        EXPECT_NE(verdict, "refuse");
        if (wanted.contains("content"))
            expectContent(*value, wanted.at("content"), file);
    }
}

} // namespace espalier::tests
