// SPDX-License-Identifier: Apache-2.0
#pragma once

// The folder of a latent cache (docs/latents.md): cache.json says what it is of, shard-NNNNN.safetensors hold the latents, and
// manifest.json, written last, lists them. While it is being made, shard-NNNNN.json stands beside each shard that is whole.

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/config/latents_config.h"
#include "core/data/latent_set.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier::data {

/// What a cache is of. Equal ones hold equal latents, to the rounding of what encoded them.
struct LatentDescription {
    static constexpr auto kFactor = config::LatentsConfig::kFactor, kChannels = config::LatentsConfig::kChannels;
    std::string data;        // fingerprint of the images, which says how they were cut
    std::int64_t images = 0; // of the set
    std::int64_t side = 256; // of the images
    std::string encoder;     // SHA-256 of the autoencoder's encoder
    bool mirrored = true;    // whether the mirror images are there too
    std::int64_t shardImages = 256;

    LatentLayout layout() const { return {kChannels, side / kFactor, true}; }
    std::int64_t shards() const { return (images + shardImages - 1) / shardImages; }
    std::int64_t firstOf(std::int64_t shard) const { return shard * shardImages; }
    std::int64_t countOf(std::int64_t shard) const { return std::min(shardImages, images - firstOf(shard)); }
    /// Of all shards, nearly: headers come on top.
    std::uint64_t bytes() const { return static_cast<std::uint64_t>(images) * layout().bytes() * (mirrored ? 2 : 1); }
    /// "256-3f2a91c07b5d8e64-mirrored": side and hash.
    std::string folderName() const;
    Json toJson() const;
};

/// One file of a cache.
struct LatentShard {
    std::uint64_t bytes = 0;
    std::string sha256;
    std::vector<std::int64_t> broken; // images of the set that could not be decoded: zeros stand for them
};
std::string shardFile(std::int64_t shard); // "shard-00012.safetensors"

/// Makes the folder and says in it what it is of, or finds that said already. A folder of something else is refused.
Result<Done> claimLatentFolder(const std::filesystem::path& folder, const LatentDescription& description);
/// What manifest and notes say of each shard; nothing where they say nothing that can be read.
std::vector<std::optional<LatentShard>> notedShards(const std::filesystem::path& folder, const LatentDescription& description);
/// Whether the file is there with its size and SHA-256.
bool isWhole(const std::filesystem::path& folder, std::int64_t shard, const LatentShard& noted);
/// Notes that a shard was written.
Result<Done> noteShard(const std::filesystem::path& folder, std::int64_t shard, const LatentShard& written);
/// Writes the manifest, after which the notes go.
Result<Done> finishLatentFolder(const std::filesystem::path& folder, const LatentDescription& description,
                                const std::vector<LatentShard>& shards);
/// The shards of a finished folder; an error when it was not finished or is of something else.
Result<std::vector<LatentShard>> readLatentManifest(const std::filesystem::path& folder, const LatentDescription& description);

} // namespace espalier::data
