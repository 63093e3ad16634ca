// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <filesystem>

namespace espalier::machine {

struct DiskSpace {
    std::uint64_t totalBytes = 0;
    std::uint64_t freeBytes = 0; // for users without privileges
};

/// Of the disk that holds `path`, or would: a path that does not exist yet counts as its nearest existing parent.
Result<DiskSpace> diskSpace(const std::filesystem::path& path);

} // namespace espalier::machine
