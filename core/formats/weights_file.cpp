// SPDX-License-Identifier: Apache-2.0
#include "core/formats/weights_file.h"

#include <algorithm>
#include <array>
#include <fstream>

namespace espalier::formats {
namespace {

constexpr std::string_view kAverages[] = {"ema.shadow.", "ema.", "model_ema.", "state_dict_ema."};
constexpr std::string_view kRaw[] = {"model.", "state_dict."};

/// The first group that has a tensor; "" without one.
std::string_view groupOf(const std::vector<TorchTensor>& tensors, std::span<const std::string_view> groups)
{
    for (const std::string_view group : groups)
        if (std::any_of(tensors.begin(), tensors.end(), [&](const auto& tensor) { return tensor.name.starts_with(group); }))
            return group;
    return {};
}

} // namespace

bool isTorchFile(const std::filesystem::path& file)
{
    static constexpr std::string_view kExtensions[] = {".pt", ".pth", ".bin", ".ckpt"};
    std::array<char, 64> start{};
    std::ifstream in(file, std::ios::binary);
    in.read(start.data(), start.size());
    return looksLikeTorch(std::as_bytes(std::span(start.data(), static_cast<std::size_t>(in.gcount())))) ||
           std::find(std::begin(kExtensions), std::end(kExtensions), file.extension().string()) != std::end(kExtensions);
}

WeightsFile::WeightsFile(SafetensorsReader reader) : m_reader(std::move(reader))
{
    const auto& file = std::get<SafetensorsReader>(m_reader);
    m_metadata = file.metadata();
    for (const auto& entry : file.entries())
        m_entries.push_back({entry.name, entry.dtype, entry.shape, entry.bytes(), m_entries.size()});
}

WeightsFile::WeightsFile(TorchReader reader, std::string_view which) : m_reader(std::move(reader))
{
    const auto& file = std::get<TorchReader>(m_reader);
    const auto& tensors = file.tensors();
    if (which != "raw")
        m_group = groupOf(tensors, kAverages);
    if (m_group.empty())
        m_group = groupOf(tensors, kRaw);
    for (std::size_t i = 0; i < tensors.size(); ++i)
        if (tensors[i].name.starts_with(m_group))
            m_entries.push_back({tensors[i].name.substr(m_group.size()), tensors[i].dtype, tensors[i].shape, tensors[i].bytes, i});
    if (file.rest().is_object())
        for (const auto& [key, value] : file.rest().items())
            if (value.is_string())
                m_metadata[key] = value.get<std::string>();
}

Result<WeightsFile> WeightsFile::open(const std::filesystem::path& file, std::string_view which)
{
    if (isTorchFile(file)) {
        auto reader = TorchReader::open(file);
        if (!reader)
            return reader.error();
        return WeightsFile(std::move(*reader), which);
    }
    auto reader = SafetensorsReader::open(file);
    if (!reader)
        return reader.error();
    return WeightsFile(std::move(*reader));
}

const std::filesystem::path& WeightsFile::path() const
{
    return std::visit([](const auto& reader) -> const std::filesystem::path& { return reader.path(); }, m_reader);
}

Result<Done> WeightsFile::copy(const WeightsEntry& entry, std::span<std::byte> into) const
{
    if (const auto* plain = std::get_if<SafetensorsReader>(&m_reader))
        return plain->copy(plain->entries()[entry.place], into);
    const auto& torch = std::get<TorchReader>(m_reader);
    return torch.copy(torch.tensors()[entry.place], into);
}

} // namespace espalier::formats
