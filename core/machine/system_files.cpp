// SPDX-License-Identifier: Apache-2.0
#include "core/machine/system_files.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace espalier::machine {

namespace fs = std::filesystem;

std::optional<std::string> readSystemFile(const fs::path& file)
{
    constexpr std::size_t kLimit = std::size_t{4} << 20;
    std::ifstream stream(file, std::ios::binary);
    if (!stream)
        return std::nullopt;
    std::string text;
    for (char piece[16384]; text.size() < kLimit;) {
        stream.read(piece, sizeof piece);
        text.append(piece, static_cast<std::size_t>(stream.gcount()));
        if (!stream)
            break;
    }
    if (stream.bad())
        return std::nullopt;
    return text;
}

std::optional<std::uint64_t> leadingNumber(std::string_view text)
{
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

namespace {

bool listed(std::string_view list, std::string_view word)
{
    for (std::size_t begin = 0; begin <= list.size();) {
        const auto end = std::min(list.find(',', begin), list.size());
        if (list.substr(begin, end - begin) == word)
            return true;
        begin = end + 1;
    }
    return false;
}

/// The folders from mount / path up to mount that exist.
void addUpwards(const fs::path& mount, std::string_view path, std::vector<fs::path>& folders)
{
    auto relative = fs::path(path).relative_path().lexically_normal();
    for (const auto& part : relative) {
        if (part == "..")
            return; // outside of what this process can see
    }
    std::error_code ignored;
    for (;; relative = relative.parent_path()) {
        const auto folder = relative.empty() ? mount : mount / relative;
        if (fs::is_directory(folder, ignored))
            folders.push_back(folder);
        if (relative.empty())
            return;
    }
}

} // namespace

std::vector<fs::path> controlGroups(const SystemFiles& files, std::string_view controller)
{
    std::vector<fs::path> folders;
    std::istringstream lines(readSystemFile(files.proc / "self" / "cgroup").value_or(""));
    for (std::string line; std::getline(lines, line);) { // "0::/path" (version 2) or "4:cpu,cpuacct:/path" (version 1)
        const auto first = line.find(':'), second = line.find(':', first + 1);
        if (first == line.npos || second == line.npos)
            continue;
        const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
        const auto path = std::string_view(line).substr(second + 1);
        std::error_code ignored;
        if (controllers.empty()) {
            const bool unified = fs::exists(files.cgroups / "cgroup.controllers", ignored);
            addUpwards(unified ? files.cgroups : files.cgroups / "unified", path, folders);
        } else if (listed(controllers, controller)) {
            const auto named = files.cgroups / std::string(controller), joined = files.cgroups / std::string(controllers);
            addUpwards(fs::is_directory(joined, ignored) ? joined : named, path, folders);
        }
    }
    return folders;
}

} // namespace espalier::machine
