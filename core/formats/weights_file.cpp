// SPDX-License-Identifier: Apache-2.0
#include "core/formats/weights_file.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/base/position_table.h"
#include "core/formats/arrangement.h"
#include "core/formats/torch_file.h"
#include "core/formats/weights_index.h"
#include "core/formats/weights_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <span>
#include <utility>

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
std::string_view groupOf(const std::vector<FileTensor>& tensors, std::span<const std::string_view> groups)
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

/// The index of split weights inside a folder, safetensors before PyTorch files; "" without one.
fs::path indexIn(const fs::path& folder)
{
    std::error_code error;
    std::vector<fs::path> found;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        if (isWeightsIndex(at->path()))
            found.push_back(at->path());
    std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
        const auto key = [](const fs::path& path) {
            const auto name = path.filename().string();
            return std::pair(name.find(".safetensors.") == std::string::npos, name);
        };
        return key(a) < key(b);
    });
    return found.empty() ? fs::path() : found.front();
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
    if (const auto index = indexIn(folder); !index.empty())
        return index;
    return Error{ErrorCode::Io,
                 fmt::format("{} holds no weights: {}, {} or the index of split weights is expected in it.", folder.string(),
                             kFolderFiles[0], kFolderFiles[1]),
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

Result<std::string> sha256OfWeights(const fs::path& file)
{
    if (!isWeightsIndex(file))
        return sha256OfFile(file);
    const auto index = readWeightsIndex(file);
    if (!index)
        return index.error();
    std::string all;
    for (const auto& name : index->files) {
        const auto sum = sha256OfFile(file.parent_path() / name);
        if (!sum)
            return sum.error();
        all += fmt::format("{} {}\n", *sum, name);
    }
    return sha256(std::as_bytes(std::span(all)));
}

WeightsFile::WeightsFile(WeightsFile&&) noexcept = default;
WeightsFile& WeightsFile::operator=(WeightsFile&&) noexcept = default;
WeightsFile::~WeightsFile() = default;

WeightsFile::WeightsFile(std::unique_ptr<WeightsParts> parts, std::string_view which) : m_parts(std::move(parts))
{
    m_metadata = m_parts->metadata();
    const auto& tensors = m_parts->tensors();
    if (m_parts->plain() || !groupOf(tensors, {&kFirstStage, 1}).empty()) // as it is
        return;
    if (which != "raw")
        m_group = groupOf(tensors, kAverages);
    if (m_group.empty())
        m_group = groupOf(tensors, kRaw);
    if (m_group.empty())
        m_group = groupOf(tensors, {&kModulesAlone, 1});
}

Result<WeightsFile> WeightsFile::open(const fs::path& path, std::string_view which)
{
    std::error_code ignored;
    const auto file = fs::is_directory(path, ignored) ? weightsIn(path) : Result<fs::path>(path);
    if (!file)
        return file.error();
    auto parts = WeightsParts::open(*file);
    if (!parts)
        return parts.error();
    WeightsFile opened(std::make_unique<WeightsParts>(*std::move(parts)), which);
    if (auto done = opened.arrange(); !done)
        return done.error();
    return opened;
}

std::vector<FileTensor> WeightsFile::tensorsOfGroup() const
{
    std::vector<FileTensor> tensors;
    for (auto tensor : m_parts->tensors())
        if (tensor.name.starts_with(m_group)) {
            tensor.name = (m_group == kModulesAlone ? "stages." : "") + tensor.name.substr(m_group.size());
            tensors.push_back(std::move(tensor));
        }
    return tensors;
}

Result<Done> WeightsFile::arrange()
{
    const auto tensors = tensorsOfGroup();
    if (looksLikeDiffusersDit(tensors) || isWeightsIndex(path()) ||
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
    if (!m_parts->plain()) {
        const auto& tensors = m_parts->tensors();
        if (groupOf(tensors, kAverages).empty() || !groupOf(tensors, {&kFirstStage, 1}).empty())
            return {"raw"};
        return groupOf(tensors, kRaw).empty() ? std::vector<std::string>{"ema"} : std::vector<std::string>{"ema", "raw"};
    }
    const auto said = m_metadata.find("espalier.weights");
    return {said != m_metadata.end() && said->second.starts_with("ema") ? "ema" : "raw"};
}

const fs::path& WeightsFile::path() const
{
    return m_parts->path();
}

std::vector<fs::path> WeightsFile::files() const
{
    return m_parts->files();
}

bool WeightsFile::manyThreads() const
{
    return m_parts->plain();
}

Result<Done> WeightsFile::checkTwins(const ArrangedTensor& tensor, std::span<const std::byte> bytes) const
{
    std::vector<std::byte> again(tensor.twins.empty() ? 0 : bytes.size());
    for (const auto place : tensor.twins) {
        if (auto copied = m_parts->copy(place, again); !copied)
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
    switch (tensor.made) {
    case ArrangedTensor::Made::Joined:
        for (std::size_t begin = 0; const auto place : tensor.from) {
            const auto size = static_cast<std::size_t>(m_parts->tensors()[place].bytes);
            if (auto copied = m_parts->copy(place, into.subspan(begin, size)); !copied)
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
