// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/evaluation/statistics.h"
#include "core/formats/npz.h"

#include <filesystem>
#include <optional>

namespace espalier::evaluation {

/// Statistics of a reference set that somebody computed before: `mu`, `sigma` of pool features and, in ADM's files, `mu_s`, `sigma_s` of
/// spatial ones.
struct ReferenceStatistics {
    Gaussian pool;
    std::optional<Gaussian> spatial;
};

/// Those of an npz; nothing when it holds no `mu` (a batch of images). Arrays of another shape, or numbers that are not finite, are
/// refused in a sentence that names file and array.
Result<std::optional<ReferenceStatistics>> readReferenceStatistics(const formats::NpzReader& file, const std::filesystem::path& path);

} // namespace espalier::evaluation
