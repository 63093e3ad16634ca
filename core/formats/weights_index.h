// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace espalier::formats {

/// What an index of transformers or diffusers says of weights that are split over several files.
struct WeightsIndex {
    std::filesystem::path path;
    std::vector<std::string> files;            // plain names beside the index, each once, in the order of the alphabet
    std::map<std::string, std::string> fileOf; // of each tensor, by its name
    double totalBytes = 0.0;                   // of all tensors; 0 where it is not said
};

/// Whether a file is called as an index is: "model.safetensors.index.json".
bool isWeightsIndex(const std::filesystem::path& file);
/// Reads an index, of which nothing is believed: a file that is not a plain name beside it, or is not there, is refused by name.
Result<WeightsIndex> readWeightsIndex(const std::filesystem::path& file);
/// Whether the files hold exactly what the index says: `held` names the tensors of each of `index.files`, which take `bytes` in all. The
/// sentence names the index, the file and the tensor.
Result<Done> checkAgainstIndex(const WeightsIndex& index, const std::vector<std::vector<std::string>>& held, std::uint64_t bytes);

} // namespace espalier::formats
