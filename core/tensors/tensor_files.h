// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/formats/safetensors.h"
#include "core/formats/weights_file.h"
#include "core/tensors/state.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace espalier::tensors {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Every tensor of a safetensors file, copied to memory of its own; of a PyTorch file those of one group (see formats::WeightsFile).
Result<TensorMap> readTensors(const std::filesystem::path& file, const std::string& which = "ema");
/// One tensor of an open file.
Result<at::Tensor> readTensor(const formats::WeightsFile& file, const formats::WeightsEntry& entry);

/// Writes tensors, whatever their device and strides, as one safetensors file: atomically, and the same bytes for the same values.
Result<formats::WrittenFile> writeTensors(const std::filesystem::path& file, const NamedTensors& tensors,
                                          const std::map<std::string, std::string>& metadata = {}, Sync sync = Sync::Yes);

} // namespace espalier::tensors
