// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/config/run_config.h"
#include "core/tensors/state.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::training {

/// What a run began with.
struct Origin {
    std::string path;                     // the checkpoint folder or file
    std::string weights;                  // "ema", "raw" …
    std::string sha256;                   // of the file that they lie in
    std::int64_t step = -1;               // of the training that made them; -1: unknown
    std::string model;                    // "DiT-S/2 at 32²"; empty where it could not be told
    std::vector<std::string> changes;     // what was not taken over as it is, a sentence each
    std::int64_t tensors = 0, unused = 0; // that it has, and of these what only a later stage would have a place for
    Json toJson() const;
};

/// Copies the weights that init.from names into values that a model of `config` owns and that have their first values already. Averages
/// are left alone. A table of positions for another number of tokens is fitted as published: learned ones are interpolated, fixed ones stay
/// as computed. The table of classes or the head follows model.labels. What does not fit otherwise is named and refused, or, where
/// init.misfits says so, stays as it is; nothing is changed unless all is decided.
///
/// A first stage that is smaller than `whole`, the network it grows to, begins with a part of a file for more: of a deeper transformer the
/// blocks that the map of depths would make the others of (progressive learning, 3.6: those of the smallest sub-net), of a larger U-Net
/// what has the same place and size. What else the whole network has a place for is counted as unused.
Result<Origin> loadFirstWeights(const config::RunConfig& config, tensors::TrainState& state, const config::RunConfig& whole);

/// A learned table of positions [1, 1 + g², width] for grid² tokens: the first row is copied, the others are resized as an image (bicubic,
/// a = -0.75, no antialiasing, corners not aligned), as Deep-Incubation does.
at::Tensor resizedPositions(const at::Tensor& table, std::int64_t grid);

} // namespace espalier::training
