// SPDX-License-Identifier: Apache-2.0
#include "core/data/latent_files.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::data {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLargestManifest = std::uint64_t{1} << 28;
constexpr const char* kManifest = "manifest.json";

fs::path noteFile(const fs::path& folder, std::int64_t shard)
{
    return folder / fmt::format("shard-{:05}.json", shard);
}

Json toJson(std::int64_t index, const LatentShard& shard)
{
    return {{"file", shardFile(index)}, {"bytes", shard.bytes}, {"sha256", shard.sha256}, {"broken", shard.broken}};
}

std::optional<LatentShard> shardFromJson(const Json& json, std::int64_t index, const LatentDescription& description)
{
    const auto field = [&](const char* key) { return json.is_object() && json.contains(key) ? json[key] : Json(); };
    const auto file = field("file"), bytes = field("bytes"), hash = field("sha256"), broken = field("broken");
    if (!file.is_string() || file != shardFile(index) || !bytes.is_number_unsigned() || !hash.is_string() || !broken.is_array())
        return std::nullopt;
    LatentShard shard{bytes.get<std::uint64_t>(), hash.get<std::string>(), {}};
    const auto first = description.firstOf(index), end = first + description.countOf(index);
    for (const auto& image : broken) {
        if (!image.is_number_integer() || image.get<std::int64_t>() < first || image.get<std::int64_t>() >= end)
            return std::nullopt;
        shard.broken.push_back(image.get<std::int64_t>());
    }
    return shard;
}

/// The manifest of this description, or null.
Json manifestOf(const fs::path& folder, const LatentDescription& description)
{
    const auto text = readFile(folder / kManifest, kLargestManifest);
    if (!text)
        return {};
    auto json = parseJson(*text);
    if (!json.is_object() || !json.contains("shards") || !json["shards"].is_array() ||
        static_cast<std::int64_t>(json["shards"].size()) != description.shards())
        return {};
    auto about = json;
    about.erase("shards");
    return about == description.toJson() ? json : Json();
}

} // namespace

std::string shardFile(std::int64_t shard)
{
    return fmt::format("shard-{:05}.safetensors", shard);
}

Json LatentDescription::toJson() const
{
    return {{"format", "espalier-latents"},
            {"version", 1},
            {"data", data},
            {"images", images},
            {"side", side},
            {"channels", kChannels},
            {"factor", kFactor},
            {"encoder_sha256", encoder},
            {"mirrored", mirrored},
            {"shard_images", shardImages}};
}

std::string LatentDescription::folderName() const
{
    constexpr std::size_t kLetters = 16;
    auto what = toJson();
    what.erase("mirrored"); // said by the name itself
    const auto text = what.dump();
    return fmt::format("{}-{}{}", side, sha256(std::as_bytes(std::span(text.data(), text.size()))).substr(0, kLetters),
                       mirrored ? "-mirrored" : "");
}

Result<Done> claimLatentFolder(const fs::path& folder, const LatentDescription& description)
{
    std::error_code problem;
    fs::create_directories(folder, problem);
    if (problem)
        return ioError("make the folder", folder, problem.value());
    const auto file = folder / "cache.json";
    if (!fs::exists(file, problem))
        return writeFileAtomically(file, description.toJson().dump(2) + "\n", Sync::Yes);
    const auto text = readFile(file, 1 << 20);
    if (!text)
        return text.error();
    if (parseJson(*text) != description.toJson())
        return Error{ErrorCode::Format,
                     fmt::format("{} holds latents of something else, or its cache.json is damaged. Remove that folder; it is made again.",
                                 folder.string()),
                     {}};
    return Done{};
}

std::vector<std::optional<LatentShard>> notedShards(const fs::path& folder, const LatentDescription& description)
{
    std::vector<std::optional<LatentShard>> shards(static_cast<std::size_t>(description.shards()));
    const auto manifest = manifestOf(folder, description);
    for (std::size_t i = 0; i < shards.size(); ++i) {
        const auto index = static_cast<std::int64_t>(i);
        if (!manifest.is_null())
            shards[i] = shardFromJson(manifest["shards"][i], index, description);
        // A note is younger: it stands beside a shard that was written again.
        if (const auto text = readFile(noteFile(folder, index), 1 << 20); text)
            if (auto noted = shardFromJson(parseJson(*text), index, description))
                shards[i] = std::move(noted);
    }
    return shards;
}

bool isWhole(const fs::path& folder, std::int64_t shard, const LatentShard& noted)
{
    const auto file = folder / shardFile(shard);
    std::error_code problem;
    if (fs::file_size(file, problem) != noted.bytes || problem)
        return false;
    const auto hash = sha256OfFile(file);
    return hash && *hash == noted.sha256;
}

Result<Done> noteShard(const fs::path& folder, std::int64_t shard, const LatentShard& written)
{
    return writeFileAtomically(noteFile(folder, shard), toJson(shard, written).dump() + "\n", Sync::Yes);
}

Result<Done> finishLatentFolder(const fs::path& folder, const LatentDescription& description, const std::vector<LatentShard>& shards)
{
    auto manifest = description.toJson();
    auto& list = manifest["shards"] = Json::array();
    for (std::size_t i = 0; i < shards.size(); ++i)
        list.push_back(toJson(static_cast<std::int64_t>(i), shards[i]));
    if (auto written = writeFileAtomically(folder / kManifest, manifest.dump(1) + "\n", Sync::Yes); !written)
        return written;
    std::error_code ignored; // a note that stays says what the manifest says
    for (std::size_t i = 0; i < shards.size(); ++i)
        fs::remove(noteFile(folder, static_cast<std::int64_t>(i)), ignored);
    return Done{};
}

Result<std::vector<LatentShard>> readLatentManifest(const fs::path& folder, const LatentDescription& description)
{
    const auto manifest = manifestOf(folder, description);
    const Error unfinished{
        ErrorCode::Format,
        fmt::format("{} is no finished cache of these latents. Let espalier-cli cache-latents finish it.", (folder / kManifest).string()),
        {}};
    if (manifest.is_null())
        return unfinished;
    std::vector<LatentShard> shards;
    for (std::int64_t i = 0; i < description.shards(); ++i) {
        auto shard = shardFromJson(manifest["shards"][static_cast<std::size_t>(i)], i, description);
        if (!shard)
            return unfinished;
        shards.push_back(*std::move(shard));
    }
    return shards;
}

} // namespace espalier::data
