// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/plan_reader.h"

#include "core/base/files.h"

#include <system_error>

namespace espalier::gui {

bool PlanReader::poll()
{
    std::error_code error;
    const auto time = std::filesystem::last_write_time(m_file, error);
    const auto size = error ? 0 : std::filesystem::file_size(m_file, error);
    if (error) { // a plain run of an older version has none
        m_time = {};
        m_size = 0;
        return std::exchange(m_plan, nullptr) != nullptr;
    }
    if (time == m_time && size == m_size)
        return false;
    m_time = time;
    m_size = size;
    constexpr std::uint64_t kMostBytes = 16u << 20;
    const auto text = readFile(m_file, kMostBytes);
    const auto read = text ? plan::planFromText(*text) : Result<plan::Plan>(text.error());
    auto now = read ? std::make_shared<const plan::Plan>(*read) : nullptr;
    const bool same = now && m_plan && *now == *m_plan;
    if (!same)
        m_plan = std::move(now);
    return !same;
}

} // namespace espalier::gui
