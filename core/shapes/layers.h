// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model as a list of layers with widths and resolutions: parameters, FLOPs and memory are sums over it.

#include "core/shapes/model_shape.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::shapes {

struct Layer {
    enum class Kind {
        Norm,      // over `in` channels; weight and bias
        Conv,      // in -> out, kernel x kernel; weight and bias
        Linear,    // in -> out, on one vector per image; weight and bias
        Attention, // softmax(q k) v over all positions, `in` channels; no parameters
        Silu,      // no parameters
        Dropout,   // no parameters
        Embedding, // a row of `out` numbers for each of `in` labels; weight alone
    };
    Kind kind = Kind::Norm;
    std::string name; // of its parameters, without .weight and .bias; empty when it has none
    std::int64_t in = 0, out = 0, kernel = 1;
    std::int64_t inSide = 1, outSide = 1; // width and height of what goes in and comes out, 1 for vectors
    double initScale = 1.0;               // s of the Xavier bound sqrt(6 s / (fan in + fan out))
    std::string part;                     // the part it belongs to …
    std::int64_t block = 0;               // … and the block in it
};

/// The layers in the order in which the published code registers parameters. `shape` has passed checkShape; a side of 0 counts as the
/// smallest that the model takes.
std::vector<Layer> layersOf(const ModelShape& shape);
std::vector<Layer> unetLayers(const ModelShape& shape, const config::UNetConfig& unet);

} // namespace espalier::shapes
