// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/formats/safetensors.h"
#include "core/formats/torch_file.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace espalier::formats {

struct WeightsEntry {
    std::string name; // as the model calls it, without the group that it stands in
    DType dtype = DType::F32;
    std::vector<std::int64_t> shape;
    std::uint64_t bytes = 0;
    std::size_t place = 0; // in the file
};

/// Weights of anyone in one file, safetensors or PyTorch, told apart by content. Of a PyTorch checkpoint only one group is taken: with
/// "raw" what is under model or state_dict, with anything else the average under ema (ema.shadow of the DDPM baseline, model_ema, …),
/// or the raw ones where there is none. A bare state dict and a safetensors file have only one kind.
class WeightsFile {
public:
    static Result<WeightsFile> open(const std::filesystem::path& file, std::string_view which = "ema");

    const std::filesystem::path& path() const;
    const std::vector<WeightsEntry>& entries() const { return m_entries; }
    /// Where the entries stand in the file: "", "model.", "ema.shadow." …
    const std::string& group() const { return m_group; }
    /// Of a safetensors file; the text values at the top of a PyTorch file.
    const std::map<std::string, std::string>& metadata() const { return m_metadata; }
    /// Copies a tensor's bytes (little endian, C order). One thread at a time, unless `manyThreads`.
    Result<Done> copy(const WeightsEntry& entry, std::span<std::byte> into) const;
    /// Whether several threads may copy at once: from a safetensors file.
    bool manyThreads() const { return std::holds_alternative<SafetensorsReader>(m_reader); }

private:
    explicit WeightsFile(SafetensorsReader reader);
    WeightsFile(TorchReader reader, std::string_view which);
    std::variant<SafetensorsReader, TorchReader> m_reader;
    std::vector<WeightsEntry> m_entries;
    std::string m_group;
    std::map<std::string, std::string> m_metadata;
};

/// Whether a file begins as a PyTorch file does, or has one's extension (.pt, .pth, .bin, .ckpt).
bool isTorchFile(const std::filesystem::path& file);

} // namespace espalier::formats
