// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/formats/safetensors.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::formats {

struct ArrangedTensor;
struct FileTensor;
class WeightsParts;

struct WeightsEntry {
    std::string name; // as the model calls it, without the group that it stands in
    DType dtype = DType::F32;
    std::vector<std::int64_t> shape;
    std::uint64_t bytes = 0;
    std::size_t place = 0; // grows with where it lies in the file
};

/// Weights of anyone, safetensors or PyTorch, told apart by content, under the names that the networks here have. Of a PyTorch checkpoint
/// only one group is taken: with "raw" what is under model or state_dict, with anything else the average under ema (ema.shadow of the DDPM
/// baseline, model_ema, …), or the raw ones where there is none. A bare state dict and a safetensors file have only one kind.
///
/// Other layouts are taken apart on the way: diffusers' DiT (queries, keys and values become one, the copies of the embeddings in each
/// block one), autoencoders of older diffusers, of latent diffusion or inside a whole Stable Diffusion, Deep-Incubation's modules (each
/// tensor once, or from model_stages alone), AutoProg-Zero's table of stages (added to that of the classes). What a file holds more than
/// once must be equal wherever it stands.
class WeightsFile {
public:
    /// A file; the index of weights that are split over several (…index.json); or a folder of diffusers or transformers: config.json beside
    /// diffusion_pytorch_model.safetensors or .bin, or beside an index; `transformer` inside a pipeline.
    static Result<WeightsFile> open(const std::filesystem::path& path, std::string_view which = "ema");
    WeightsFile(WeightsFile&&) noexcept;
    WeightsFile& operator=(WeightsFile&&) noexcept;
    ~WeightsFile();

    /// The file that the weights lie in, or the index of those that they are split over.
    const std::filesystem::path& path() const;
    /// The files themselves: one, or those that the index lists.
    std::vector<std::filesystem::path> files() const;
    const std::vector<WeightsEntry>& entries() const { return m_entries; }
    /// Where the entries stand in the file: "", "model.", "ema.shadow." …
    const std::string& group() const { return m_group; }
    /// Which weights the file holds: "raw", "ema" or both; a file of one kind says "raw", unless it says itself that they are averages.
    std::vector<std::string> kinds() const;
    /// "diffusers", "deep-incubation", "autoprog-zero", "latent-diffusion"; "" for tensors that lie there under the published names.
    const std::string& layout() const { return m_layout; }
    /// Stages of AutoProg-Zero's table; 0 without one.
    std::int64_t stages() const { return m_stages; }
    /// What config.json beside diffusers' weights says; null for other files.
    const Json& folderConfig() const { return m_config; }
    /// Of a safetensors file; the text values at the top of a PyTorch file.
    const std::map<std::string, std::string>& metadata() const { return m_metadata; }
    /// Copies a tensor's bytes (little endian, C order). One thread at a time, unless `manyThreads`.
    Result<Done> copy(const WeightsEntry& entry, std::span<std::byte> into) const;
    /// Whether several threads may copy at once: from a safetensors file.
    bool manyThreads() const;

private:
    WeightsFile(std::unique_ptr<WeightsParts> parts, std::string_view which);
    Result<Done> arrange();
    std::vector<FileTensor> tensorsOfGroup() const;
    Result<Done> checkTwins(const ArrangedTensor& tensor, std::span<const std::byte> bytes) const;

    std::unique_ptr<WeightsParts> m_parts;
    std::vector<WeightsEntry> m_entries;
    std::vector<ArrangedTensor> m_arranged; // as many as entries, at their places
    std::string m_group, m_layout;
    std::int64_t m_stages = 0;
    Json m_config;
    std::map<std::string, std::string> m_metadata;
};

/// Whether a file begins as a PyTorch file does, or has one's extension (.pt, .pth, .bin, .ckpt).
bool isTorchFile(const std::filesystem::path& file);
/// Whether a folder is one that diffusers or transformers wrote: WeightsFile::open() takes it.
bool isDiffusersFolder(const std::filesystem::path& folder);
/// Of the file that weights lie in; of an index, a hash of the hashes of the files that it lists.
Result<std::string> sha256OfWeights(const std::filesystem::path& file);

} // namespace espalier::formats
