// SPDX-License-Identifier: Apache-2.0
#pragma once

// A transformer cut along its depth into modules, Deep-Incubation's bookkeeping, and a U-Net cut at its levels, as pure functions.

#include "core/config/model_config.h"
#include "core/plan/plan.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace espalier::plan {

/// Blocks of each module, dealt out in order. The modules of a U-Net are its levels, and their blocks residual ones.
using Division = std::vector<std::int64_t>;

std::int64_t blocksOf(const Division& division);
/// The meta model with module `module` of the whole model in the place of its own.
Division inside(const Division& meta, const Division& whole, std::size_t module);

/// Blocks of the modules of a U-Net, which its shape says; nullopt for a transformer, which can be cut anywhere.
std::optional<Division> divisionIn(const config::ModelConfig& model);
/// The model with so many blocks in its modules.
config::ModelConfig withBlocks(const config::ModelConfig& model, const Division& division);

/// What belongs to a module: its blocks; the first of a ViT has all that comes before them too, the last the head. What comes before the
/// blocks of a DiT belongs to none and stays the meta model's, since every block listens to the condition that is made there.
/// A module of a U-Net is a level on both ways, down and up: it takes and gives feature maps whose channels are the same however many
/// blocks it has. The first has the convolutions of the image too, the last the middle; what makes the condition belongs to none.
std::vector<shapes::PartRange> partsOfModule(const config::ModelConfig& model, const Division& division, std::size_t module);

/// The module that has these parts; none for what every block listens to.
std::optional<std::size_t> moduleOf(const config::ModelConfig& model, const Division& division, const shapes::PartRange& range);

/// Where the weights of modules lie.
struct ModuleOrigin {
    PartSource::From from = PartSource::From::Fresh;
    std::string which;
    Division division; // of the network there
    std::string weights;
};
/// Sources of a network of `division` whose module i comes from origins[i]. What belongs to no module comes from `shared`.
std::vector<PartSource> joined(const config::ModelConfig& model, const Division& division, const std::vector<ModuleOrigin>& origins,
                               const ModuleOrigin& shared);

} // namespace espalier::plan
