// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"
#include "core/data/latent_set.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace espalier::data {

/// Places of `count` images of a set, ascending: of each class the same share to within one image, drawn by the seed. Those of a smaller
/// count are among those of a larger one.
std::vector<std::int64_t> balancedPlaces(const Dataset& images, std::int64_t count, std::uint64_t seed);

/// Those images alone. `places` must lie in the set.
std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> images, std::vector<std::int64_t> places);
std::shared_ptr<const LatentSet> subset(std::shared_ptr<const LatentSet> latents, std::vector<std::int64_t> places);

} // namespace espalier::data
