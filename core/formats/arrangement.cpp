// SPDX-License-Identifier: Apache-2.0
#include "core/formats/arrangement.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

namespace espalier::formats {
namespace {

constexpr std::string_view kStages = "stages.", kBlocks = "blocks.";
constexpr std::string_view kStageTable = "s_embedder.embedding_table.weight";

ArrangedTensor asItIs(const FileTensor& tensor, std::string name)
{
    return {std::move(name), tensor.dtype, tensor.shape, tensor.bytes, ArrangedTensor::Made::Joined, {tensor.place}, {}};
}

struct Numbered {
    std::int64_t number = 0;
    std::string_view rest; // behind the dot
};

/// "7.attn…" as 7 and "attn…".
std::optional<Numbered> numbered(std::string_view name)
{
    constexpr std::int64_t kMost = 4096;
    Numbered found;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), found.number);
    if (problem != std::errc() || end == name.data() + name.size() || *end != '.' || found.number < 0 || found.number > kMost)
        return std::nullopt;
    found.rest = name.substr(static_cast<std::size_t>(end - name.data()) + 1);
    return found;
}

/// Deep-Incubation: "stages.1.blocks.0.…" is block 0 of module 1, whose blocks follow on those of the modules before it. Its files hold
/// each tensor under its usual name as well.
class Modules {
public:
    explicit Modules(const std::vector<FileTensor>& tensors)
    {
        for (const auto& tensor : tensors)
            if (const auto stage = stageOf(tensor.name); stage && stage->rest.starts_with(kBlocks))
                if (const auto block = numbered(stage->rest.substr(kBlocks.size())))
                    m_blocks[stage->number] = std::max(m_blocks[stage->number], block->number + 1);
        std::int64_t before = 0;
        for (auto& [stage, blocks] : m_blocks)
            before += std::exchange(blocks, before);
    }
    bool any() const { return !m_blocks.empty(); }

    std::string usualName(const std::string& name) const
    {
        const auto stage = stageOf(name);
        if (!stage)
            return name;
        if (!stage->rest.starts_with(kBlocks))
            return std::string(stage->rest);
        const auto block = numbered(stage->rest.substr(kBlocks.size()));
        return block ? fmt::format("{}{}.{}", kBlocks, m_blocks.at(stage->number) + block->number, block->rest) : name;
    }

private:
    static std::optional<Numbered> stageOf(std::string_view name)
    {
        return name.starts_with(kStages) ? numbered(name.substr(kStages.size())) : std::nullopt;
    }
    std::map<std::int64_t, std::int64_t> m_blocks; // of a module: how many stand before it
};

Result<Arrangement> fromModules(const std::vector<FileTensor>& tensors, const Modules& modules, const std::filesystem::path& file)
{
    Arrangement result{{}, "deep-incubation", 0};
    std::map<std::string, std::pair<std::size_t, const FileTensor*>> first;
    for (const bool ofModules : {false, true}) // the usual names first, then what they are called a second time
        for (const auto& tensor : tensors) {
            auto name = modules.usualName(tensor.name);
            if ((name != tensor.name) != ofModules)
                continue;
            const auto [found, fresh] = first.emplace(name, std::pair(result.tensors.size(), &tensor));
            if (fresh) {
                result.tensors.push_back(asItIs(tensor, std::move(name)));
                continue;
            }
            const auto& [place, twin] = found->second;
            if (twin->shape != tensor.shape || twin->dtype != tensor.dtype)
                return Error{ErrorCode::Format,
                             fmt::format("{}: {} should be {} once more, but has another shape or type.", file.string(),
                                         tensor.name.substr(0, 200), twin->name.substr(0, 200)),
                             {}};
            if (twin->memory < 0 || twin->memory != tensor.memory)
                result.tensors[place].twins.push_back(tensor.place);
        }
    return result;
}

} // namespace

Result<Arrangement> arranged(const std::vector<FileTensor>& tensors, const Json& config, const std::filesystem::path& file)
{
    if (looksLikeDiffusersDit(tensors))
        return fromDiffusersDit(tensors, config, file);
    if (looksLikeAutoencoder(tensors))
        return fromAutoencoder(tensors, file);
    if (const Modules modules(tensors); modules.any())
        return fromModules(tensors, modules, file);
    Arrangement result;
    for (const auto& tensor : tensors) {
        result.tensors.push_back(asItIs(tensor, tensor.name));
        if (tensor.name == kStageTable && tensor.shape.size() == 2 && tensor.shape[0] >= 2) {
            result.layout = "autoprog-zero"; // names as published, but not those of a plain DiT
            result.stages = tensor.shape[0] - 1;
        }
    }
    return result;
}

} // namespace espalier::formats
