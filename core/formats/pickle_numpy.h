// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/npy.h"
#include "core/formats/pickle.h"

#include <optional>

namespace espalier::formats {

/// The array or scalar (no sides) that a value stands for; nothing when it is another thing, holds Python objects, or has not exactly
/// the bytes that its shape and type need.
std::optional<NpyArray> numpyArrayOf(const Pickle& pickle, const PickleValue& value);

} // namespace espalier::formats
