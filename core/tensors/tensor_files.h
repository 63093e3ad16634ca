// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/formats/safetensors.h"
#include "core/formats/weights_file.h"
#include "core/tensors/state.h"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace espalier::tensors {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// The type that tensors of a file's type have; nothing for one that cannot be computed with.
std::optional<at::ScalarType> scalarTypeOf(formats::DType type);

/// Every tensor of a safetensors file, copied to memory of its own; of a PyTorch file those of one group (see formats::WeightsFile).
Result<TensorMap> readTensors(const std::filesystem::path& file, const std::string& which = "ema");
/// One tensor of an open file.
Result<at::Tensor> readTensor(const formats::WeightsFile& file, const formats::WeightsEntry& entry);
/// The same into a tensor of these sizes that somebody owns: straight into its memory where that lies as the file has it, else by way of
/// the host; numbers of another type are converted.
Result<Done> readTensorInto(const formats::WeightsFile& file, const formats::WeightsEntry& entry, at::Tensor to);

/// Writes tensors, whatever their device and strides, as one safetensors file: atomically, and the same bytes for the same values.
Result<formats::WrittenFile> writeTensors(const std::filesystem::path& file, const NamedTensors& tensors,
                                          const std::map<std::string, std::string>& metadata = {}, Sync sync = Sync::Yes);

} // namespace espalier::tensors
