// SPDX-License-Identifier: Apache-2.0
#include "core/formats/diffusers_dit.h"

#include "core/formats/arrangement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

namespace espalier::formats {
namespace {

struct Renamed {
    std::string_view theirs, ours;
};
constexpr Renamed kAlone[] = {
    {"pos_embed.proj", "x_embedder.proj"}, {"proj_out_1", "final_layer.adaLN_modulation.1"}, {"proj_out_2", "final_layer.linear"}};
constexpr Renamed kInBlock[] = {
    {"norm1.linear", "adaLN_modulation.1"}, {"attn1.to_out.0", "attn.proj"}, {"ff.net.0.proj", "mlp.fc1"}, {"ff.net.2", "mlp.fc2"}};
/// What every block has once more.
constexpr Renamed kInEveryBlock[] = {{"norm1.emb.timestep_embedder.linear_1", "t_embedder.mlp.0"},
                                     {"norm1.emb.timestep_embedder.linear_2", "t_embedder.mlp.2"},
                                     {"norm1.emb.class_embedder.embedding_table", "y_embedder.embedding_table"}};
constexpr std::string_view kParts[] = {"attn1.to_q", "attn1.to_k", "attn1.to_v"};
constexpr std::string_view kJoined = "attn.qkv";
constexpr std::string_view kEnds[] = {".weight", ".bias"};
constexpr std::string_view kOldPositions = "pos_embed.pos_embed"; // early versions saved the table
constexpr std::int64_t kMostBlocks = 4096, kMostRows = std::int64_t{1} << 40;

std::string theirBlock(std::int64_t block, std::string_view leaf, std::string_view end)
{
    return fmt::format("transformer_blocks.{}.{}{}", block, leaf, end);
}

std::string ourBlock(std::int64_t block, std::string_view leaf, std::string_view end)
{
    return fmt::format("blocks.{}.{}{}", block, leaf, end);
}

Error misfit(const std::filesystem::path& file, std::string why)
{
    return {ErrorCode::Format, fmt::format("{} holds a DiT in the layout of diffusers, but {}", file.string(), why), {}};
}

/// Takes tensors out by name; what is left in the end belongs to nothing.
class Taking {
public:
    explicit Taking(const std::vector<FileTensor>& tensors)
    {
        for (const auto& tensor : tensors)
            m_left.emplace(tensor.name, &tensor);
    }
    const FileTensor* take(const std::string& name)
    {
        const auto found = m_left.find(name);
        if (found == m_left.end())
            return nullptr;
        const auto* tensor = found->second;
        m_left.erase(found);
        return tensor;
    }
    bool has(const std::string& name) const { return m_left.contains(name); }
    const std::map<std::string, const FileTensor*>& left() const { return m_left; }

private:
    std::map<std::string, const FileTensor*> m_left;
};

ArrangedTensor whole(const FileTensor& tensor, std::string name)
{
    return {std::move(name), tensor.dtype, tensor.shape, tensor.bytes, ArrangedTensor::Made::Joined, {tensor.place}, {}};
}

/// Queries, keys and values one below the other.
Result<std::optional<ArrangedTensor>> joined(Taking& taking, std::int64_t block, std::string_view end, const std::filesystem::path& file)
{
    std::optional<ArrangedTensor> all;
    for (const auto part : kParts) {
        const auto name = theirBlock(block, part, end);
        const auto* tensor = taking.take(name);
        if (!tensor && !all && part == kParts[0])
            return std::optional<ArrangedTensor>(); // attention without biases
        if (!tensor)
            return misfit(file, fmt::format("{} is missing.", name));
        if (tensor->shape.empty() || tensor->shape[0] > kMostRows)
            return misfit(file, fmt::format("{} has no rows, or too many.", name));
        if (!all) {
            all = whole(*tensor, ourBlock(block, kJoined, end));
            continue;
        }
        if (tensor->dtype != all->dtype ||
            !std::equal(tensor->shape.begin() + 1, tensor->shape.end(), all->shape.begin() + 1, all->shape.end()))
            return misfit(file, fmt::format("{} has another type or width than the queries.", name));
        all->shape[0] += tensor->shape[0];
        all->bytes += tensor->bytes;
        all->from.push_back(tensor->place);
    }
    return all;
}

std::optional<std::int64_t> wholeNumber(const Json& config, const char* key)
{
    const auto found = config.is_object() ? config.find(key) : config.end();
    return config.is_object() && found != config.end() && found->is_number_integer() ? std::optional(found->get<std::int64_t>())
                                                                                     : std::nullopt;
}

/// The table of positions, which diffusers computes and does not save.
Result<ArrangedTensor> positions(const FileTensor& patches, const Json& config, const std::filesystem::path& file)
{
    constexpr std::int64_t kMostBytes = std::int64_t{256} << 20, kMostSide = 65536;
    const auto side = wholeNumber(config, "sample_size"), patch = wholeNumber(config, "patch_size");
    if (!side || !patch)
        return misfit(file, "not the side of its images: the \"sample_size\" and \"patch_size\" of its config.json are needed. Name the "
                            "folder that holds both.");
    const auto width = patches.shape.empty() ? 0 : patches.shape[0];
    if (*patch < 1 || *side < *patch || *side > kMostSide || *side % *patch != 0)
        return misfit(file, fmt::format("its config.json has sample_size {} and patch_size {}, which cannot be.", *side, *patch));
    const auto grid = *side / *patch;
    if (width < 4 || width % 4 != 0 || width > kMostSide || grid * grid > kMostBytes / 4 / width)
        return misfit(file, fmt::format("a table of {}x{} positions of width {} cannot be.", grid, grid, width));
    return ArrangedTensor{"pos_embed",
                          DType::F32,
                          {1, grid * grid, width},
                          static_cast<std::uint64_t>(grid * grid * width) * sizeof(float),
                          ArrangedTensor::Made::Positions,
                          {},
                          {}};
}

/// The rows [first, first + count) of `rows` of an item, whose bytes are whole rows in C order.
SafetensorsItem rowsOf(const SafetensorsItem& item, std::string name, std::int64_t first, std::int64_t count)
{
    const auto rows = static_cast<std::size_t>(std::max<std::int64_t>(item.shape[0], 1));
    auto shape = item.shape;
    shape[0] = count;
    return {std::move(name), item.dtype, std::move(shape),
            [bytes = item.bytes, rows, first, count]() -> Result<std::span<const std::byte>> {
                auto all = bytes();
                if (!all)
                    return all;
                const auto row = all->size() / rows;
                return all->subspan(static_cast<std::size_t>(first) * row, static_cast<std::size_t>(count) * row);
            }};
}

} // namespace

bool looksLikeDiffusersDit(const std::vector<FileTensor>& tensors)
{
    bool patches = false, blocks = false;
    for (const auto& tensor : tensors) {
        patches = patches || tensor.name == "pos_embed.proj.weight";
        blocks = blocks || tensor.name == "transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight";
    }
    return patches && blocks;
}

Result<Arrangement> fromDiffusersDit(const std::vector<FileTensor>& tensors, const Json& config, const std::filesystem::path& file)
{
    Arrangement result{{}, "diffusers", 0};
    Taking taking(tensors);
    if (const auto* saved = taking.take(std::string(kOldPositions))) {
        result.tensors.push_back(whole(*saved, "pos_embed"));
    } else {
        const auto patches = std::find_if(tensors.begin(), tensors.end(), [](const auto& t) { return t.name == "pos_embed.proj.weight"; });
        auto table = positions(*patches, config, file);
        if (!table)
            return table.error();
        result.tensors.push_back(*std::move(table));
    }
    for (const auto& [theirs, ours] : kAlone)
        for (const auto end : kEnds)
            if (const auto* tensor = taking.take(fmt::format("{}{}", theirs, end)))
                result.tensors.push_back(whole(*tensor, fmt::format("{}{}", ours, end)));
    std::int64_t depth = 0;
    while (depth < kMostBlocks && taking.has(theirBlock(depth, "norm1.linear", ".weight")))
        ++depth;
    for (const auto& [theirs, ours] : kInEveryBlock)
        for (const auto end : kEnds) {
            std::optional<ArrangedTensor> shared;
            for (std::int64_t block = 0; block < depth; ++block) {
                const auto* tensor = taking.take(theirBlock(block, theirs, end));
                if (!tensor)
                    continue;
                if (!shared)
                    shared = whole(*tensor, fmt::format("{}{}", ours, end));
                else if (tensor->shape != shared->shape || tensor->dtype != shared->dtype)
                    return misfit(file, fmt::format("{} has another shape or type than in the first block.", tensor->name));
                else
                    shared->twins.push_back(tensor->place);
            }
            if (shared)
                result.tensors.push_back(*std::move(shared));
        }
    for (std::int64_t block = 0; block < depth; ++block)
        for (const auto end : kEnds) {
            auto qkv = joined(taking, block, end, file);
            if (!qkv)
                return qkv.error();
            if (*qkv)
                result.tensors.push_back(**std::move(qkv));
            for (const auto& [theirs, ours] : kInBlock)
                if (const auto* tensor = taking.take(theirBlock(block, theirs, end)))
                    result.tensors.push_back(whole(*tensor, ourBlock(block, ours, end)));
        }
    for (const auto& [name, tensor] : taking.left()) // whoever compares them with a model says that they are too many
        result.tensors.push_back(whole(*tensor, name));
    return result;
}

std::vector<SafetensorsItem> toDiffusersDit(std::vector<SafetensorsItem> items, std::int64_t depth)
{
    std::vector<SafetensorsItem> result;
    const auto as = [](const SafetensorsItem& item, std::string name) {
        auto renamed = item;
        renamed.name = std::move(name);
        return renamed;
    };
    std::map<std::string, const SafetensorsItem*> ours;
    for (const auto& item : items)
        ours.emplace(item.name, &item);
    const auto find = [&](const std::string& name) {
        const auto found = ours.find(name);
        return found == ours.end() ? nullptr : found->second;
    };
    for (const auto end : kEnds) {
        for (const auto& [theirs, name] : kAlone)
            if (const auto* item = find(fmt::format("{}{}", name, end)))
                result.push_back(as(*item, fmt::format("{}{}", theirs, end)));
        for (std::int64_t block = 0; block < depth; ++block) {
            for (const auto& [theirs, name] : kInEveryBlock)
                if (const auto* item = find(fmt::format("{}{}", name, end)))
                    result.push_back(as(*item, theirBlock(block, theirs, end)));
            for (const auto& [theirs, name] : kInBlock)
                if (const auto* item = find(ourBlock(block, name, end)))
                    result.push_back(as(*item, theirBlock(block, theirs, end)));
            if (const auto* item = find(ourBlock(block, kJoined, end))) {
                const auto rows = item->shape[0] / static_cast<std::int64_t>(std::size(kParts));
                for (std::size_t part = 0; part < std::size(kParts); ++part)
                    result.push_back(rowsOf(*item, theirBlock(block, kParts[part], end), static_cast<std::int64_t>(part) * rows, rows));
            }
        }
    }
    return result;
}

} // namespace espalier::formats
