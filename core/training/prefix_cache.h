// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/dataset.h"
#include "core/data/latent_set.h"
#include "core/models/model.h"
#include "core/parallel/process_group.h"
#include "core/plan/prefix.h"
#include "core/runs/run_writer.h"
#include "core/runs/worker_link.h"

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>

namespace espalier::training {

/// What goes through the frozen blocks, and who hears of it.
struct PrefixWork {
    const config::RunConfig& config; // of the stage
    const plan::Prefix& prefix;      // that is kept
    const data::Dataset& images;
    models::Model& model;
    at::Device device;
    parallel::ProcessGroup& group;
    runs::WorkerLink& link;
    std::int64_t step = 0;             // of the training that waits for it
    Log log;                           // hears of images that could not be read; from any thread
    runs::RunWriter* writer = nullptr; // of rank 0
};

/// Images that go through the frozen blocks together. Kernels round otherwise in batches of other sizes, so that it is always the same
/// number, of images that follow each other in the set: what is kept depends neither on the order of the steps nor on the ranks.
constexpr std::int64_t kPrefixGroup = 32;

/// What the frozen blocks give for every image, and for its mirror image where there are two versions, computed by all ranks together and
/// kept by each. One `values` of the prefix for each image, in the layout of latents of side 1. All ranks call it; Cancelled on all when
/// one is asked to pause or stop.
Result<std::shared_ptr<const data::LatentSet>> computePrefix(const PrefixWork& work);

/// Whether the memory of this machine has room for it on all ranks. All ranks call it and get the same answer.
bool hasRoom(const plan::Prefix& prefix, parallel::ProcessGroup& group);

} // namespace espalier::training
