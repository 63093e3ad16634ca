// SPDX-License-Identifier: Apache-2.0
#include "core/machine/memory.h"

#include <algorithm>
#include <sstream>

namespace espalier::machine {

namespace {

/// The number after `key` at the beginning of a line ("MemTotal:       24 kB", "oom_kill 3").
std::optional<std::uint64_t> valueIn(const std::string& text, std::string_view key)
{
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(key) && line.size() > key.size() && (line[key.size()] == ' ' || line[key.size()] == '\t'))
            return leadingNumber(std::string_view(line).substr(key.size()));
    }
    return std::nullopt;
}

std::optional<std::uint64_t> numberIn(const std::filesystem::path& file)
{
    const auto text = readSystemFile(file);
    return text ? leadingNumber(*text) : std::nullopt;
}

} // namespace

HostMemory hostMemory(const SystemFiles& files)
{
    HostMemory memory;
    const auto info = readSystemFile(files.proc / "meminfo").value_or("");
    const auto bytes = [&](const char* key) {
        const auto kilobytes = valueIn(info, key).value_or(0);
        return kilobytes < (std::uint64_t{1} << 50) ? kilobytes * 1024 : 0;
    };
    memory.totalBytes = bytes("MemTotal:");
    memory.availableBytes = std::min(bytes("MemAvailable:"), memory.totalBytes);
    for (const auto& group : controlGroups(files, "memory")) {
        const bool unified = std::filesystem::exists(group / "memory.max");
        const auto limit = numberIn(group / (unified ? "memory.max" : "memory.limit_in_bytes"));
        const auto used = numberIn(group / (unified ? "memory.current" : "memory.usage_in_bytes"));
        if (!limit || (memory.totalBytes > 0 && *limit >= memory.totalBytes))
            continue; // "max", or version 1's way to write no limit
        // Cached files count as used by the group but are given back under pressure.
        const auto statistics = readSystemFile(group / "memory.stat").value_or("");
        const auto cached = valueIn(statistics, unified ? "inactive_file" : "total_inactive_file").value_or(0);
        const auto taken = used.value_or(0) - std::min(cached, used.value_or(0));
        const auto available = *limit - std::min(taken, *limit);
        memory.totalBytes = *limit;
        memory.availableBytes = memory.limited || memory.availableBytes > 0 ? std::min(memory.availableBytes, available) : available;
        memory.limited = true;
    }
    return memory;
}

std::uint64_t outOfMemoryKills(const SystemFiles& files)
{
    std::uint64_t kills = valueIn(readSystemFile(files.proc / "vmstat").value_or(""), "oom_kill").value_or(0);
    for (const auto& group : controlGroups(files, "memory")) {
        for (const char* name : {"memory.events", "memory.oom_control"}) {
            if (const auto text = readSystemFile(group / name))
                kills = std::max(kills, valueIn(*text, "oom_kill").value_or(0));
        }
    }
    return kills;
}

} // namespace espalier::machine
