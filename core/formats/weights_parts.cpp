// SPDX-License-Identifier: Apache-2.0
#include "core/formats/weights_parts.h"

#include "core/formats/weights_file.h"
#include "core/formats/weights_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace espalier::formats {
namespace fs = std::filesystem;

Result<WeightsParts> WeightsParts::open(const fs::path& file)
{
    WeightsParts parts(file);
    const auto opened = isWeightsIndex(file) ? parts.openIndex() : parts.openPart(file);
    if (!opened)
        return opened.error();
    return parts;
}

Result<Done> WeightsParts::openIndex()
{
    const auto index = readWeightsIndex(m_path);
    if (!index)
        return index.error();
    std::vector<std::vector<std::string>> held;
    std::uint64_t bytes = 0;
    for (const auto& name : index->files) {
        const auto first = m_tensors.size();
        if (auto opened = openPart(m_path.parent_path() / name); !opened)
            return Error{opened.error().code, fmt::format("{}: {}", m_path.string(), opened.error().message), opened.error().detail};
        auto& names = held.emplace_back();
        for (auto i = first; i < m_tensors.size(); ++i) {
            names.push_back(m_tensors[i].name);
            bytes += m_tensors[i].bytes;
        }
    }
    return checkAgainstIndex(*index, held, bytes);
}

Result<Done> WeightsParts::openPart(const fs::path& file)
{
    if (isTorchFile(file)) {
        auto reader = TorchReader::open(file);
        if (!reader)
            return reader.error();
        add(*reader);
        m_parts.emplace_back(*std::move(reader));
        return Done{};
    }
    auto reader = SafetensorsReader::open(file);
    if (!reader)
        return reader.error();
    add(*reader);
    m_parts.emplace_back(*std::move(reader));
    return Done{};
}

void WeightsParts::add(const SafetensorsReader& file)
{
    for (std::size_t i = 0; i < file.entries().size(); ++i) {
        const auto& entry = file.entries()[i];
        m_tensors.push_back({entry.name, entry.dtype, entry.shape, entry.bytes(), m_tensors.size(), -1});
        m_places.push_back({m_parts.size(), i});
    }
    m_metadata.insert(file.metadata().begin(), file.metadata().end());
}

void WeightsParts::add(const TorchReader& file)
{
    const auto before = static_cast<std::int64_t>(m_tensors.size()); // tensors of two files never share memory
    std::map<std::tuple<std::size_t, std::int64_t, std::vector<std::int64_t>>, std::int64_t> views;
    for (std::size_t i = 0; i < file.tensors().size(); ++i) {
        const auto& tensor = file.tensors()[i];
        const auto [view, fresh] =
            views.emplace(std::tuple(tensor.storage, tensor.offset, tensor.strides), before + static_cast<std::int64_t>(views.size()));
        m_tensors.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes, m_tensors.size(), view->second});
        m_places.push_back({m_parts.size(), i});
    }
    if (file.rest().is_object())
        for (const auto& [key, value] : file.rest().items())
            if (value.is_string())
                m_metadata.emplace(key, value.get<std::string>());
}

std::vector<fs::path> WeightsParts::files() const
{
    std::vector<fs::path> files;
    for (const auto& part : m_parts)
        files.push_back(std::visit([](const auto& reader) { return reader.path(); }, part));
    return files;
}

bool WeightsParts::plain() const
{
    return std::all_of(m_parts.begin(), m_parts.end(), [](const auto& part) { return std::holds_alternative<SafetensorsReader>(part); });
}

Result<Done> WeightsParts::copy(std::size_t place, std::span<std::byte> into) const
{
    const auto& [part, tensor] = m_places[place];
    if (const auto* plain = std::get_if<SafetensorsReader>(&m_parts[part]))
        return plain->copy(plain->entries()[tensor], into);
    const auto& torch = std::get<TorchReader>(m_parts[part]);
    return torch.copy(torch.tensors()[tensor], into);
}

} // namespace espalier::formats
