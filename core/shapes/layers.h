// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model as a list of layers with widths and resolutions: parameters, FLOPs and memory are sums over it.

#include "core/shapes/model_shape.h"
#include "core/shapes/parameters.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace espalier::shapes {

/// How a parameter starts, where it is not as usual for its layer.
struct Start {
    Init init = Init::Zeros;
    double bound = 0.0;
};

struct Layer {
    enum class Kind {
        Norm,       // over `in` channels; weight and bias, unless it has no name
        Conv,       // in -> out, kernel x kernel; weight and bias
        Linear,     // in -> out, at every position; weight and bias
        Attention,  // softmax(q k) v over all positions, `in` channels; no parameters
        Activation, // no parameters
        Scale,      // times a vector for each image, which autograd keeps the input for; no parameters
        Dropout,    // no parameters
        Embedding,  // a row of `out` numbers for each of `in` labels; weight alone
        Table,      // [1, in, out], added to tokens; its name is the parameter's
    };
    Kind kind = Kind::Norm;
    std::string name; // of its parameters, without .weight and .bias; empty when it has none
    std::int64_t in = 0, out = 0, kernel = 1;
    std::int64_t inSide = 1, outSide = 1; // width and height of what goes in and comes out, 1 for vectors
    double initScale = 1.0;               // s of the Xavier bound sqrt(6 s / (fan in + fan out))
    std::string part;                     // the part it belongs to …
    std::int64_t block = 0;               // … and the block in it
    std::int64_t tokens = 0;              // > 0: it works on a sequence, whatever the sides say
    bool bias = true;
    bool trained = true;
    std::optional<Start> weightStart, biasStart;

    /// Positions that it works on: of what goes in, and of what comes out.
    std::int64_t inPositions() const { return tokens > 0 ? tokens : inSide * inSide; }
    std::int64_t outPositions() const { return tokens > 0 ? tokens : outSide * outSide; }
};

/// The layers in the order in which the published code registers parameters. `shape` has passed checkShape; a side of 0 counts as the
/// smallest that the model takes.
std::vector<Layer> layersOf(const ModelShape& shape);
std::vector<Layer> unetLayers(const ModelShape& shape, const config::UNetConfig& unet);
std::vector<Layer> ditLayers(const ModelShape& shape, const config::DitConfig& dit);
/// Rows of DiT's table of classes, as published: one behind the classes where some are hidden. Without classes there is one row, which
/// every image reads: the published code trains without classes as one class that is never hidden.
std::int64_t labelRows(const config::DitConfig& dit);
std::vector<Layer> vitLayers(const ModelShape& shape, const config::VitConfig& vit);

} // namespace espalier::shapes
