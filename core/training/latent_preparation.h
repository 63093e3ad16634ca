// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/dataset.h"
#include "core/data/latent_set.h"
#include "core/generation/latent_codec.h"
#include "core/parallel/process_group.h"
#include "core/runs/run_writer.h"
#include "core/runs/worker_link.h"
#include "core/training/search.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace espalier::training {

/// What latents are made of, and who hears of it.
struct LatentPreparation {
    const config::RunConfig& config;
    std::shared_ptr<const data::Dataset> images;
    std::shared_ptr<const generation::LatentCodec> codec;
    std::shared_ptr<parallel::ProcessGroup> group;
    runs::WorkerLink& link;
    std::int64_t step = 0; // of the training that waits for them
    Log log;
    runs::RunWriter* writer = nullptr; // of rank 0: long work is told in the run too
    std::string which{};               // said before what is done, where there are several sides
};

/// The latents that a configuration trains on, encoded first where the cache does not hold them, by all ranks together. Cancelled on all
/// ranks when one is asked to pause or stop.
Result<std::shared_ptr<const data::LatentSet>> readyLatents(const LatentPreparation& preparation);

/// Whether the latents of these configurations, one for each side, could be made: images can be read, and the disk has room for all that
/// is not encoded yet. A sentence otherwise.
Result<Done> checkLatents(const std::vector<SearchData>& sides, const generation::LatentCodec& codec);

/// Zeros in their place, for a rehearsal; one image goes through the autoencoder, so that its memory is rehearsed too.
std::shared_ptr<const data::LatentSet> rehearsedLatents(const config::RunConfig& config, const generation::LatentCodec& codec);

} // namespace espalier::training
