// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/formats/arrangement.h"
#include "core/formats/safetensors.h"
#include "core/formats/torch_file.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace espalier::formats {

/// The tensors of a safetensors or a PyTorch file, told apart by content, or of all files that an index lists. Private to this folder:
/// WeightsFile gives them the names that the networks here have.
class WeightsParts {
public:
    static Result<WeightsParts> open(const std::filesystem::path& file);

    /// The file that was named: the index, where there is one.
    const std::filesystem::path& path() const { return m_path; }
    /// The files that tensors lie in.
    std::vector<std::filesystem::path> files() const;
    /// One behind the other as the files have them; a tensor's `place` is its place here.
    const std::vector<FileTensor>& tensors() const { return m_tensors; }
    const std::map<std::string, std::string>& metadata() const { return m_metadata; }
    /// Whether no file is a PyTorch file: then several threads may copy.
    bool plain() const;
    Result<Done> copy(std::size_t place, std::span<std::byte> into) const;

private:
    using Reader = std::variant<SafetensorsReader, TorchReader>;
    struct Place {
        std::size_t part = 0, tensor = 0;
    };
    explicit WeightsParts(std::filesystem::path path) : m_path(std::move(path)) {}
    Result<Done> openIndex();
    Result<Done> openPart(const std::filesystem::path& file);
    void add(const SafetensorsReader& file);
    void add(const TorchReader& file);

    std::filesystem::path m_path;
    std::vector<Reader> m_parts;
    std::vector<FileTensor> m_tensors;
    std::vector<Place> m_places; // of tensors
    std::map<std::string, std::string> m_metadata;
};

} // namespace espalier::formats
