// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/log_reader.h"

#include "app/gui/launcher.h"

#include <algorithm>
#include <fstream>
#include <utility>

namespace espalier::gui {
namespace {

constexpr std::uint64_t kMost = 1 << 20; // of an old log its end is enough
constexpr std::size_t kLine = 1 << 16;   // no line of ours is so long
constexpr int kLaunchLines = 40;

} // namespace

std::vector<std::string> LogReader::read()
{
    std::vector<std::string> lines;
    const auto take = [&](std::string_view text) { lines.emplace_back(text.substr(0, kLine)); };
    if (!std::exchange(m_begun, true)) {
        const auto launch = tailOf(m_folder.launchLogFile(), kLaunchLines);
        for (std::size_t from = 0; from < launch.size();) {
            const auto end = std::min(launch.find('\n', from), launch.size());
            take(std::string_view(launch).substr(from, end - from));
            from = end + 1;
        }
    }
    std::error_code error;
    const auto file = m_folder.logFile();
    const std::uint64_t size = std::filesystem::file_size(file, error);
    if (error || size == m_offset)
        return lines;
    if (size < m_offset)
        m_offset = 0; // written anew
    if (size - m_offset > kMost)
        m_offset = size - kMost;
    std::ifstream in(file, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(m_offset));
    std::string text(size - m_offset, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    m_offset += text.size();
    m_rest += text;
    std::size_t from = 0;
    for (auto end = m_rest.find('\n'); end != std::string::npos; end = m_rest.find('\n', from)) {
        take(std::string_view(m_rest).substr(from, end - from));
        from = end + 1;
    }
    m_rest.erase(0, from);
    if (m_rest.size() > kLine)
        m_rest.clear();
    return lines;
}

} // namespace espalier::gui
