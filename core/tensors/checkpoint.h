// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/tensors/tensor_files.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace espalier::tensors {

/// A TrainState copied to the host: writing it does not touch the tensors that training goes on with.
struct Snapshot {
    struct Shard {
        std::string file; // "model.safetensors"
        NamedTensors tensors;
    };
    std::vector<Shard> shards;
    Json manifest; // schema, counters, fingerprint, parts, what the caller added; files are added by writeCheckpoint
};

/// Copies the state to the host. `about` goes into the manifest as it is (run id, stage, model configuration); `clock` holds
/// whatever depends on time (training seconds, date): it stands in the manifest alone, so equal training gives equal shards.
/// Waits for the device.
Snapshot snapshot(const TrainState& state, const Json& about, const Json& clock);

/// Writes `folder` whole or not at all: shards and manifest into `.<name>.part` beside it, synced, then renamed. May run on any
/// thread. A folder that already has this name is exchanged for the new one; a failure leaves it as it was and nothing half-written.
Result<Done> writeCheckpoint(const Snapshot& snapshot, const std::filesystem::path& folder);

/// What a manifest says, without reading the shards.
struct Manifest {
    struct File {
        std::string name;
        std::uint64_t bytes = 0;
        std::string sha256;
    };
    std::vector<File> files;
    std::vector<std::pair<std::string, std::string>> weights; // "raw", then "ema:0.9999" …, each with its file
    std::vector<double> emaDecays;
    Counters counters;
    Fingerprint madeOn;
    Json parts, about, clock;

    /// The file that holds these weights: "raw", "ema" (the first average; raw where there is none) or "ema:0.9999". The sentence goes on
    /// after the folder's name and says what there is.
    Result<File> fileOf(const std::string& which) const;
};
Result<Manifest> readManifest(const std::filesystem::path& folder);

/// Are all files there with their sizes and, when `hashes`, their SHA-256? The sentence names the first that is not.
Result<Done> verifyCheckpoint(const std::filesystem::path& folder, bool hashes = true);

/// The same for one file.
Result<Done> verifyCheckpointFile(const std::filesystem::path& folder, const Manifest::File& file, bool hash = true);

/// Verifies, then copies into the tensors that `state` already owns; names, shapes and dtypes must be exactly its own, and no tensor is
/// changed unless all fit. Counters and parts are set too; `state.madeOn` stays that of this process: compare it with the manifest's.
Result<Manifest> loadCheckpoint(const std::filesystem::path& folder, TrainState& state);

/// Weights alone, for sampling and evaluation, on the host, by published names. `from` is a checkpoint folder, or a safetensors or
/// PyTorch file or a diffusers folder of anyone. `which` is "raw", "ema" (the first average; raw where there is none) or "ema:0.9999". A
/// lone file has at most one average, and a safetensors file only one kind of weights.
Result<TensorMap> readWeights(const std::filesystem::path& from, const std::string& which);

/// Copies weights into named parameters: every name must be there with its shape, and nothing may be left over. A prefix
/// `module.` (data-parallel training of the published code) is dropped. The sentence names the first tensor that does not fit.
Result<Done> copyWeights(const TensorMap& weights, NamedTensors parameters, const std::string& file);

} // namespace espalier::tensors
