// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/runs/rendezvous.h"
#include "core/runs/run_folder.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::cli {

/// What sample, evaluate and export work on, as typed after --checkpoint.
struct Weights {
    std::optional<runs::RunFolder> run; // a run: its newest checkpoint
    std::filesystem::path path;         // else a checkpoint folder, a safetensors or a PyTorch file, a diffusers folder; absolute
    std::string typed;
};
/// A run's folder or name, a checkpoint folder, a diffusers folder, or a file. Opens nothing but the header of a lone file, so that a
/// damaged one is told before a worker starts.
Result<Weights> findWeights(const std::string& typed);
/// "raw", "ema" or "ema:0.9999", else a sentence.
Result<Done> checkWeightsName(const std::string& which);
/// The configuration of weights that do not lie in a run or checkpoint: from --config, from the metadata of a file that we exported, or
/// as published for a model that is recognised. Null when the worker has to say what it finds.
Result<Json> configFor(const Weights& weights, const std::string& configFile);
/// The same without what is known of published models: null where nobody says it.
Result<Json> ownConfigOf(const Weights& weights, const std::string& configFile);

/// "cpu", "cuda", "cuda:1", "1", "auto" as a job's "device": "cpu", "0", "1" or "auto". Says which device is not there.
Result<std::string> jobDevice(const std::string& typed);
/// The same for the worker's environment: "cpu" or "cuda:1".
std::string workerDevice(const std::string& device);

/// Where a job is done that several workers can share.
struct JobPlaces {
    std::vector<std::string> devices; // one worker each: "cpu", "cuda:1"; one where this is one rank of several
    runs::Rendezvous place;           // of that rank
    bool leads() const { return place.rank == 0; }
};
/// "cpu:4", "0,1" and what jobDevice() takes. Started once per rank by a launcher: the device of this rank.
Result<JobPlaces> jobPlaces(const std::string& typed);
/// Lets ranks that were started one by one meet in a folder that all of them see: of the run, else that of --out.
Result<Done> meetIn(JobPlaces& places, const std::filesystem::path& folder);

/// An absolute path, whoever works where.
std::string absolutePath(const std::string& typed);
/// Fields of a worker's result or an event, whatever came.
double numberIn(const Json& json, const char* key, double otherwise = 0.0);
std::string textIn(const Json& json, const char* key);

} // namespace espalier::cli
