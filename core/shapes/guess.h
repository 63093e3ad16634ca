// SPDX-License-Identifier: Apache-2.0
#pragma once

// The model that a set of tensors would belong to, one guess for each family. They guess freely: recognise() compares every parameter
// afterwards. Private to this folder.

#include "core/shapes/recognise.h"

#include <map>

namespace espalier::shapes {

using Shapes = std::map<std::string, std::vector<std::int64_t>, std::less<>>;

struct Guess {
    ModelShape shape;
    std::vector<std::string> assumed; // see Recognised
};

/// The shape of a tensor when it is there and has that many dimensions, else nothing.
const std::vector<std::int64_t>* shapeIn(const Shapes& shapes, const std::string& name, std::size_t dimensions);
/// How many of prefix + "0" + suffix, prefix + "1" + suffix … there are from 0 on.
std::int64_t countFrom(const Shapes& shapes, const std::string& prefix, const std::string& suffix, std::int64_t limit);
Error unknown(std::string message);
/// The guess, when such a model can be.
Result<Guess> possible(Guess guess);

/// `inner` is what stands before the names of the network inside ("_model." where pixels are folded).
Result<Guess> guessUNet(const Shapes& shapes, const std::string& inner);
Result<Guess> guessDit(const Shapes& shapes);
Result<Guess> guessVit(const Shapes& shapes);

} // namespace espalier::shapes
