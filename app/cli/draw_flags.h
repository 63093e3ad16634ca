// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/console.h"
#include "app/cli/job_options.h"
#include "app/cli/run_job.h"
#include "app/cli/signals.h"

#include <cstdint>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace espalier::cli {

/// Sampler flags; what is not given stays as the settings say.
struct SamplerFlags {
    std::string kind, skip, respacing, guidanceChannels;
    std::optional<std::int64_t> steps;
    std::optional<double> eta, guidance;
    std::optional<std::int64_t> label, stage;
    std::optional<bool> clipDenoised;
    std::string labelTyped; // a number, or the name of a class

    void addTo(CLI::App& command);
    /// In settings' words: {"kind": "ddim", "steps": 50}.
    Json overlay() const;
};

/// What sample and evaluate have in common: weights, and how images are drawn with them.
struct DrawFlags {
    std::string checkpoint, weights = "ema", out, configFile, devices = "auto";
    std::optional<std::int64_t> num, seed;
    SamplerFlags sampler;
    std::string vae;                     // of weights that draw latents; "": as their settings say
    std::optional<std::int64_t> tile;    // pixels
    std::optional<int> atStage;          // of a run: the checkpoint at its end
    std::optional<std::int64_t> threads; // of each worker, on the CPU
    bool noWait = false;

    struct Words {
        const char *num, *seed, *out, *noWait;
        std::int64_t leastNum, mostNum;
    };
    void addTo(CLI::App& command, const Words& words);
    /// Turns the label as typed into a number: names of classes are those of the weights' training set. Call before anything else.
    Result<Done> readLabel();
    /// {"sampler": …, "seed": …} with the number of images as `countName`: what a live run is asked, in words of its settings.
    Json wish(const char* countName) const;
    /// A live run shows latents as its own settings say.
    Result<Done> checkLive() const;
};

/// Weights that were found, and the request to the worker as far as it is the same for all jobs that draw.
struct DrawRequest {
    Weights weights;
    JobPlaces places;
    Json request;
    Json config; // of weights that lie outside of runs and checkpoints; else null
};
Result<DrawRequest> drawRequest(const DrawFlags& flags);

/// A rank other than 0: does its share, and leaves files and words to rank 0. Gives the exit status.
int helpWith(const Job& job, Signals& signals, Console& console);
/// A live run is asked once, not by every rank.
Error drawsItself(const runs::RunFolder& run, std::string_view command);

} // namespace espalier::cli
