// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/pickle.h"
#include "core/formats/torch_file.h"

#include <optional>

namespace espalier::formats {

struct TorchStorage {
    std::string key;
    std::uint64_t bytes = 0;
    std::optional<DType> dtype; // nothing: untyped
};

/// What the pickle of a PyTorch file says.
struct TorchContent {
    std::vector<TorchTensor> tensors;
    std::vector<TorchStorage> storages;
    Json rest;
};

/// Reads tensors, storages and the rest out of a pickle. Every view is checked against the storage that the pickle promises; whether the
/// file holds that storage is for the caller to see. All views together may have 8 times the bytes of the storages.
Result<TorchContent> torchContentOf(const Pickle& pickle, std::string_view file);

} // namespace espalier::formats
