// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/formats/weights_file.h"
#include "core/tensors/checkpoint.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::tensors {

/// Weights of a checkpoint folder or of anyone's file, held open: names and shapes are known, and each tensor is read straight to where
/// it belongs. A checkpoint folder is verified first.
class WeightsSource {
public:
    /// `which` as for readWeights().
    static Result<WeightsSource> open(const std::filesystem::path& from, const std::string& which);

    /// The folder or file that was asked for.
    const std::filesystem::path& path() const { return m_path; }
    /// Of a checkpoint folder.
    const std::optional<Manifest>& manifest() const { return m_manifest; }
    const std::map<std::string, std::string>& metadata() const { return m_file.metadata(); }
    /// SHA-256 of the file that the weights lie in; of a lone file it is computed now.
    Result<std::string> sha256() const;

    /// By name; a prefix `module.` (data-parallel training of the published code) is dropped.
    const std::map<std::string, formats::WeightsEntry>& entries() const { return m_entries; }
    const formats::WeightsEntry* find(const std::string& name) const;

    /// A tensor of its own, in the file's type.
    Result<at::Tensor> read(const formats::WeightsEntry& entry) const;
    /// Into a tensor of the same sizes that somebody owns; numbers of another floating type are converted.
    Result<Done> readInto(const formats::WeightsEntry& entry, at::Tensor to) const;
    /// All of these, with as many threads as tensors are computed with. Every name must be there with its shape and nothing be left over;
    /// no tensor is changed unless all fit. The sentence names the first that does not.
    Result<Done> readAll(NamedTensors parameters) const;

private:
    WeightsSource(std::filesystem::path path, formats::WeightsFile file);
    std::filesystem::path m_path;
    formats::WeightsFile m_file;
    std::optional<Manifest> m_manifest;
    std::string m_sha256;
    std::map<std::string, formats::WeightsEntry> m_entries;
};

} // namespace espalier::tensors
