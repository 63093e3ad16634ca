// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/latent_files.h"

#include <filesystem>
#include <memory>

namespace espalier::data {

/// Opens a finished cache to read from. Looks at the header of every shard; that the bytes are those that were written was checked by
/// whoever prepared it. Files are opened as they are read, so that their number does not matter.
Result<std::shared_ptr<const LatentSet>> openLatentCache(const std::filesystem::path& folder, const LatentDescription& description);

/// Where a cache of these latents lies or will: the one with mirror images serves those who want none as well.
std::filesystem::path latentFolder(const std::filesystem::path& caches, LatentDescription& description);

} // namespace espalier::data
