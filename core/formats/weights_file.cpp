// SPDX-License-Identifier: Apache-2.0
#include "core/formats/weights_file.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/base/position_table.h"
#include "core/formats/arrangement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <tuple>

namespace espalier::formats {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kAverages[] = {"ema.shadow.", "ema.", "model_ema.", "state_dict_ema."};
constexpr std::string_view kRaw[] = {"model.", "state_dict."};
constexpr std::string_view kModulesAlone = "model_stages."; // Deep-Incubation: all that its own later phases read
constexpr const char* kConfigFile = "config.json";
constexpr const char* kPipelineFile = "model_index.json";
constexpr const char* kFolderFiles[] = {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"};

/// The first group that has a tensor; "" without one.
std::string_view groupOf(const std::vector<TorchTensor>& tensors, std::span<const std::string_view> groups)
{
    for (const std::string_view group : groups)
        if (std::any_of(tensors.begin(), tensors.end(), [&](const auto& tensor) { return tensor.name.starts_with(group); }))
            return group;
    return {};
}

Result<Json> folderConfigOf(const fs::path& file)
{
    std::error_code ignored;
    const auto config = file.parent_path() / kConfigFile;
    if (!fs::exists(config, ignored))
        return Json();
    const auto text = readFile(config, 1u << 20);
    if (!text)
        return text.error();
    auto json = parseJson(*text);
    return json.is_object() ? json : Json();
}

/// The weights inside a folder.
Result<fs::path> weightsIn(const fs::path& folder)
{
    std::error_code ignored;
    for (const auto* name : kFolderFiles)
        if (fs::exists(folder / name, ignored))
            return folder / name;
    if (fs::exists(folder / kPipelineFile, ignored) && fs::is_directory(folder / "transformer", ignored))
        return weightsIn(folder / "transformer");
    for (const auto* name : kFolderFiles)
        if (fs::exists(folder / (std::string(name) + ".index.json"), ignored))
            return Error{ErrorCode::Format,
                         fmt::format("The weights in {} are split over several files. Save them as one: save_pretrained(…, "
                                     "max_shard_size=\"100GB\").",
                                     folder.string()),
                         {}};
    return Error{ErrorCode::Io,
                 fmt::format("{} holds no weights: {} or {} is expected in it.", folder.string(), kFolderFiles[0], kFolderFiles[1]),
                 {}};
}

} // namespace

bool isTorchFile(const fs::path& file)
{
    static constexpr std::string_view kExtensions[] = {".pt", ".pth", ".bin", ".ckpt"};
    std::array<char, 64> start{};
    std::ifstream in(file, std::ios::binary);
    in.read(start.data(), start.size());
    return looksLikeTorch(std::as_bytes(std::span(start.data(), static_cast<std::size_t>(in.gcount())))) ||
           std::find(std::begin(kExtensions), std::end(kExtensions), file.extension().string()) != std::end(kExtensions);
}

bool isDiffusersFolder(const fs::path& folder)
{
    std::error_code ignored;
    return fs::is_directory(folder, ignored) && (fs::exists(folder / kPipelineFile, ignored) || weightsIn(folder));
}

WeightsFile::WeightsFile(WeightsFile&&) noexcept = default;
WeightsFile& WeightsFile::operator=(WeightsFile&&) noexcept = default;
WeightsFile::~WeightsFile() = default;

WeightsFile::WeightsFile(SafetensorsReader reader) : m_reader(std::move(reader))
{
    m_metadata = std::get<SafetensorsReader>(m_reader).metadata();
}

WeightsFile::WeightsFile(TorchReader reader, std::string_view which) : m_reader(std::move(reader))
{
    const auto& file = std::get<TorchReader>(m_reader);
    const auto& tensors = file.tensors();
    if (which != "raw")
        m_group = groupOf(tensors, kAverages);
    if (m_group.empty())
        m_group = groupOf(tensors, kRaw);
    if (m_group.empty())
        m_group = groupOf(tensors, {&kModulesAlone, 1});
    if (file.rest().is_object())
        for (const auto& [key, value] : file.rest().items())
            if (value.is_string())
                m_metadata[key] = value.get<std::string>();
}

Result<WeightsFile> WeightsFile::openFile(const fs::path& file, std::string_view which)
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

Result<WeightsFile> WeightsFile::open(const fs::path& path, std::string_view which)
{
    std::error_code ignored;
    const auto file = fs::is_directory(path, ignored) ? weightsIn(path) : Result<fs::path>(path);
    if (!file)
        return file.error();
    auto opened = openFile(*file, which);
    if (!opened)
        return opened.error();
    if (auto done = opened->arrange(); !done)
        return done.error();
    return opened;
}

std::vector<FileTensor> WeightsFile::tensorsOfGroup() const
{
    std::vector<FileTensor> tensors;
    if (const auto* plain = std::get_if<SafetensorsReader>(&m_reader)) {
        for (const auto& entry : plain->entries())
            tensors.push_back({entry.name, entry.dtype, entry.shape, entry.bytes(), tensors.size(), -1});
        return tensors;
    }
    std::map<std::tuple<std::size_t, std::int64_t, std::vector<std::int64_t>>, std::int64_t> views;
    const auto& all = std::get<TorchReader>(m_reader).tensors();
    const bool modules = m_group == kModulesAlone;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& tensor = all[i];
        if (!tensor.name.starts_with(m_group))
            continue;
        const auto [view, fresh] =
            views.emplace(std::tuple(tensor.storage, tensor.offset, tensor.strides), static_cast<std::int64_t>(views.size()));
        tensors.push_back(
            {(modules ? "stages." : "") + tensor.name.substr(m_group.size()), tensor.dtype, tensor.shape, tensor.bytes, i, view->second});
    }
    return tensors;
}

Result<Done> WeightsFile::arrange()
{
    const auto tensors = tensorsOfGroup();
    if (looksLikeDiffusersDit(tensors) ||
        std::find(std::begin(kFolderFiles), std::end(kFolderFiles), path().filename()) != std::end(kFolderFiles)) {
        auto config = folderConfigOf(path());
        if (!config)
            return config.error();
        m_config = *std::move(config);
    }
    auto arrangement = arranged(tensors, m_config, path());
    if (!arrangement)
        return arrangement.error();
    m_layout = std::move(arrangement->layout);
    m_stages = arrangement->stages;
    m_arranged = std::move(arrangement->tensors);
    std::stable_sort(m_arranged.begin(), m_arranged.end(), [](const auto& a, const auto& b) {
        return (a.from.empty() ? 0 : a.from.front()) < (b.from.empty() ? 0 : b.from.front());
    });
    for (const auto& tensor : m_arranged)
        m_entries.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes, m_entries.size()});
    return Done{};
}

std::vector<std::string> WeightsFile::kinds() const
{
    if (const auto* torch = std::get_if<TorchReader>(&m_reader)) {
        const bool averages = !groupOf(torch->tensors(), kAverages).empty();
        if (!averages)
            return {"raw"};
        return groupOf(torch->tensors(), kRaw).empty() ? std::vector<std::string>{"ema"} : std::vector<std::string>{"ema", "raw"};
    }
    const auto said = m_metadata.find("espalier.weights");
    return {said != m_metadata.end() && said->second.starts_with("ema") ? "ema" : "raw"};
}

const fs::path& WeightsFile::path() const
{
    return std::visit([](const auto& reader) -> const fs::path& { return reader.path(); }, m_reader);
}

Result<Done> WeightsFile::copyPlace(std::size_t place, std::span<std::byte> into) const
{
    if (const auto* plain = std::get_if<SafetensorsReader>(&m_reader))
        return plain->copy(plain->entries()[place], into);
    const auto& torch = std::get<TorchReader>(m_reader);
    return torch.copy(torch.tensors()[place], into);
}

Result<Done> WeightsFile::checkTwins(const ArrangedTensor& tensor, std::span<const std::byte> bytes) const
{
    std::vector<std::byte> again(tensor.twins.empty() ? 0 : bytes.size());
    for (const auto place : tensor.twins) {
        if (auto copied = copyPlace(place, again); !copied)
            return copied;
        if (!std::equal(again.begin(), again.end(), bytes.begin()))
            return Error{ErrorCode::Format,
                         fmt::format("{} holds {} several times, and not the same everywhere: it cannot be one of ours.", path().string(),
                                     tensor.name),
                         {}};
    }
    return Done{};
}

Result<Done> WeightsFile::copy(const WeightsEntry& entry, std::span<std::byte> into) const
{
    const auto& tensor = m_arranged[entry.place];
    const auto sizeAt = [&](std::size_t place) -> std::uint64_t {
        const auto* plain = std::get_if<SafetensorsReader>(&m_reader);
        return plain ? plain->entries()[place].bytes() : std::get<TorchReader>(m_reader).tensors()[place].bytes;
    };
    switch (tensor.made) {
    case ArrangedTensor::Made::Joined:
        for (std::size_t begin = 0; const auto place : tensor.from) {
            const auto size = static_cast<std::size_t>(sizeAt(place));
            if (auto copied = copyPlace(place, into.subspan(begin, size)); !copied)
                return copied;
            begin += size;
        }
        return checkTwins(tensor, into);
    case ArrangedTensor::Made::Positions: {
        const auto grid = std::llround(std::sqrt(static_cast<double>(tensor.shape[1])));
        const auto table = positionTable(tensor.shape[2], grid);
        std::memcpy(into.data(), table.data(), into.size());
        return Done{};
    }
    }
    return Error{ErrorCode::Internal, "A tensor is made in no known way.", {}};
}

} // namespace espalier::formats
