// SPDX-License-Identifier: Apache-2.0
#include "core/machine/disk.h"

#include "core/base/files.h"

#include <system_error>

namespace espalier::machine {

namespace fs = std::filesystem;

Result<DiskSpace> diskSpace(const fs::path& path)
{
    std::error_code error;
    auto at = fs::absolute(path, error);
    while (!error && !fs::exists(at, error) && at.has_relative_path())
        at = at.parent_path();
    const auto space = fs::space(at, error);
    if (error)
        return ioError("read the free space of", path, error.value());
    return DiskSpace{space.capacity, space.available};
}

} // namespace espalier::machine
