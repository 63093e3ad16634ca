// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::machine {

/// Where the kernel says things; tests give other folders.
struct SystemFiles {
    std::filesystem::path proc = "/proc";
    std::filesystem::path cgroups = "/sys/fs/cgroup";
};

/// A small file of the kernel, at most 4 MiB; nothing when it cannot be read.
std::optional<std::string> readSystemFile(const std::filesystem::path& file);
/// The number that a file or line begins with; nothing for "max" and anything else.
std::optional<std::uint64_t> leadingNumber(std::string_view text);

/// Folders of the control group of this process for `controller` ("memory", "cpu"), innermost first, up to the mount point; of version
/// 2 and of version 1, whichever there is. A limit holds when any of them sets it.
std::vector<std::filesystem::path> controlGroups(const SystemFiles& files, std::string_view controller);

} // namespace espalier::machine
