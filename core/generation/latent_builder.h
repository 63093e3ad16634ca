// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"
#include "core/data/latent_cache.h"
#include "core/generation/latent_codec.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

namespace espalier::generation {

/// Who shares the work: ranks of a run, or the devices of one process.
struct LatentRanks {
    int rank = 0, world = 1;
    /// Makes each element the largest over all ranks, which call it together. Empty: one rank alone.
    std::function<void(std::vector<std::int64_t>&)> maximum;
};

struct LatentWork {
    std::shared_ptr<const data::Dataset> dataset;
    std::shared_ptr<const LatentCodec> codec;
    std::filesystem::path folder; // of the cache
    data::LatentDescription description;
    LatentRanks ranks;
    int workers = 2; // threads that decode images
    /// "checking latents" or "encoding latents", shards or images done, and of how many. Called often, by the thread of the caller.
    std::function<void(const char* what, std::int64_t done, std::int64_t of)> progress;
    Log log; // hears of images that could not be read, and what was done; from any thread
};

/// Makes a cache whole: checks what is there against its hashes, encodes what is missing or damaged, writes the manifest. May be ended by
/// `stop` or killed at any moment: the next call goes on with what was written. All ranks call it together; a stop of one is a
/// stop of all.
Result<Done> prepareLatents(const LatentWork& work, std::stop_token stop);

/// The cache that a configuration trains from.
data::LatentDescription describeLatents(const config::RunConfig& config, const data::Dataset& dataset, const LatentCodec& codec);
/// What of a cache is still to be made, as its notes say it: nothing is read or written.
std::uint64_t missingBytes(const std::filesystem::path& folder, const data::LatentDescription& description);
/// Where caches lie: latents.cache, else in the data folder.
std::filesystem::path latentCaches(const config::RunConfig& config, const std::filesystem::path& dataFolder);

} // namespace espalier::generation
