// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/tensors/checkpoint.h"
#include "core/tensors/tensor_files.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cerrno>
#include <set>

namespace espalier::tensors {
namespace {

constexpr std::uint64_t kManifestLimit = std::uint64_t{64} << 20;

Error damaged(const std::filesystem::path& file, const std::string& how)
{
    return Error{ErrorCode::Format, fmt::format("{} {}: the checkpoint is damaged. Choose another one.", file.string(), how), {}};
}

/// A shard's name as it may stand in a manifest: a file of the same folder.
bool plainName(const std::string& name)
{
    return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

Result<Done> verifyFile(const std::filesystem::path& folder, const Manifest::File& file, bool hash)
{
    const auto path = folder / file.name;
    std::error_code failed;
    const auto bytes = std::filesystem::file_size(path, failed);
    if (failed)
        return failed.value() == ENOENT ? damaged(path, "is missing") : ioError("read", path, failed.value());
    if (bytes != file.bytes)
        return damaged(path, fmt::format("has {} bytes, but its manifest says {}", bytes, file.bytes));
    if (!hash)
        return Done{};
    const auto sum = sha256OfFile(path);
    if (!sum)
        return sum.error();
    if (*sum != file.sha256)
        return damaged(path, "has other content than when it was written");
    return Done{};
}

/// All tensors of a checkpoint's shards, by file.
using Shards = std::map<std::string, TensorMap>;

/// Takes one tensor out of a shard after checking that it fits `to`.
Result<at::Tensor> take(Shards& shards, const std::filesystem::path& folder, const std::string& file, const std::string& name,
                        const at::Tensor& to)
{
    const auto shard = shards.find(file);
    if (shard == shards.end())
        return damaged(folder / file, "is missing");
    auto node = shard->second.extract(name);
    if (node.empty())
        return Error{ErrorCode::Format,
                     fmt::format("{} has no tensor {}: it belongs to another model or optimizer.", (folder / file).string(), name),
                     {}};
    if (auto fits = checkFits(to, node.mapped(), name, (folder / file).string()); !fits)
        return fits.error();
    return std::move(node.mapped());
}

} // namespace

Result<Manifest> readManifest(const std::filesystem::path& folder)
{
    const auto path = folder / "manifest.json";
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored))
        return Error{
            ErrorCode::Io, fmt::format("{} holds no finished checkpoint (no manifest.json). Choose an earlier one.", folder.string()), {}};
    const auto text = readFile(path, kManifestLimit);
    if (!text)
        return text.error();
    const Json json = parseJson(*text);
    if (!json.is_object())
        return damaged(path, "is not JSON");
    const auto schema = json.find("schema");
    if (schema == json.end() || !schema->is_number_integer())
        return damaged(path, "has no number in \"schema\"");
    if (*schema != 1)
        return Error{ErrorCode::Format,
                     fmt::format("{} was written by a newer version (schema {}). Update this program.", path.string(), schema->dump()),
                     {}};
    Manifest m;
    for (const char* key : {"counters", "made_on", "weights", "parts"})
        if (!json.contains(key) || !json[key].is_object())
            return damaged(path, fmt::format("has no object \"{}\"", key));
    auto counters = Counters::fromJson(json["counters"], path.string());
    if (!counters)
        return counters.error();
    auto madeOn = Fingerprint::fromJson(json["made_on"], path.string());
    if (!madeOn)
        return madeOn.error();
    m.counters = *counters;
    m.madeOn = *std::move(madeOn);
    if (!json.contains("files") || !json["files"].is_array())
        return damaged(path, "has no list \"files\"");
    std::set<std::string> names;
    for (const Json& file : json["files"]) {
        if (!file.is_object() || !file.contains("name") || !file["name"].is_string() || !file.contains("bytes") ||
            !file["bytes"].is_number_unsigned() || !file.contains("sha256") || !file["sha256"].is_string() ||
            !plainName(file["name"].get<std::string>()))
            return damaged(path, "lists a file without name, bytes and sha256");
        m.files.push_back({file["name"], file["bytes"], file["sha256"]});
        names.insert(m.files.back().name);
    }
    for (const auto& [which, file] : json["weights"].items()) {
        if (!file.is_string() || !names.contains(file.get<std::string>()))
            return damaged(path, fmt::format("names no file for the weights \"{}\"", which));
        m.weights.emplace_back(which, file.get<std::string>());
    }
    if (!json.contains("ema_decays") || !json["ema_decays"].is_array())
        return damaged(path, "has no list \"ema_decays\"");
    for (const Json& decay : json["ema_decays"]) {
        if (!decay.is_number())
            return damaged(path, "has an EMA decay that is no number");
        m.emaDecays.push_back(decay.get<double>());
    }
    m.parts = json["parts"];
    m.about = json.value("about", Json::object());
    m.clock = json.value("clock", Json::object());
    return m;
}

Result<Done> verifyCheckpoint(const std::filesystem::path& folder, bool hashes)
{
    const auto manifest = readManifest(folder);
    if (!manifest)
        return manifest.error();
    for (const auto& file : manifest->files)
        if (auto good = verifyFile(folder, file, hashes); !good)
            return good;
    return Done{};
}

Result<Manifest> loadCheckpoint(const std::filesystem::path& folder, TrainState& state)
{
    auto manifest = readManifest(folder);
    if (!manifest)
        return manifest;
    if (manifest->emaDecays != state.emaDecays)
        return Error{ErrorCode::Usage,
                     fmt::format("{} was made with training.ema.decays {}, which cannot change within a run.", folder.string(),
                                 Json(manifest->emaDecays).dump()),
                     {}};
    Shards shards;
    for (const auto& file : manifest->files) {
        if (auto good = verifyFile(folder, file, true); !good)
            return good.error();
        auto tensors = readTensors(folder / file.name);
        if (!tensors)
            return tensors.error();
        shards.emplace(file.name, *std::move(tensors));
    }

    std::vector<std::pair<at::Tensor, at::Tensor>> copies; // to, from
    std::optional<Error> wrong;
    const auto plan = [&](const std::string& file, const std::string& name, const at::Tensor& to) {
        if (wrong || !to.defined())
            return;
        auto from = take(shards, folder, file, name, to);
        if (!from)
            wrong = from.error();
        else
            copies.emplace_back(to, *std::move(from));
    };
    for (const Slot& slot : state.slots) {
        plan("model.safetensors", slot.name, slot.value);
        for (std::size_t i = 0; i < slot.ema.size(); ++i)
            plan(fmt::format("ema-{}.safetensors", state.emaDecays[i]), slot.name, slot.ema[i]);
        plan("optimizer.safetensors", "m." + slot.name, slot.m);
        plan("optimizer.safetensors", "v." + slot.name, slot.v);
        plan("optimizer.safetensors", "step." + slot.name, slot.step);
    }
    for (const auto& [name, tensor] : state.buffers)
        plan("state.safetensors", "buffers." + name, tensor);
    if (wrong)
        return *wrong;

    std::map<std::string, TensorMap> ofParts;
    for (const StatePart* part : state.parts) {
        if (!manifest->parts.contains(part->name()))
            return damaged(folder / "manifest.json", fmt::format("says nothing of the part \"{}\"", part->name()));
        const std::string prefix = "parts." + part->name() + ".";
        TensorMap& own = ofParts[part->name()];
        for (auto& [name, tensor] : shards["state.safetensors"])
            if (name.starts_with(prefix))
                own.emplace(name.substr(prefix.size()), tensor);
        for (const auto& [name, tensor] : own)
            shards["state.safetensors"].erase(prefix + name);
    }
    for (const auto& [file, tensors] : shards)
        if (!tensors.empty())
            return Error{ErrorCode::Format,
                         fmt::format("{} has a tensor {} that this run has no use for: it belongs to another model or optimizer.",
                                     (folder / file).string(), tensors.begin()->first),
                         {}};
    for (StatePart* part : state.parts)
        if (auto loaded = part->load(manifest->parts[part->name()], ofParts[part->name()]); !loaded)
            return loaded.error();
    const at::NoGradGuard guard;
    for (auto& [to, from] : copies)
        to.copy_(from);
    state.counters = manifest->counters;
    return manifest;
}

Result<TensorMap> readWeights(const std::filesystem::path& from, const std::string& which)
{
    std::error_code ignored;
    if (!std::filesystem::is_directory(from, ignored) || formats::isDiffusersFolder(from))
        return readTensors(from, which);
    const auto manifest = readManifest(from);
    if (!manifest)
        return manifest.error();
    std::string wanted = which, known;
    if (which == "ema")
        wanted = manifest->emaDecays.empty() ? "raw" : emaName(manifest->emaDecays.front());
    for (const auto& [name, file] : manifest->weights) {
        known += (known.empty() ? "" : ", ") + name;
        if (name != wanted)
            continue;
        for (const auto& listed : manifest->files)
            if (listed.name == file) {
                if (auto good = verifyFile(from, listed, true); !good)
                    return good.error();
                return readTensors(from / file);
            }
    }
    return Error{ErrorCode::Usage, fmt::format("{} has no weights \"{}\". It has: {}.", from.string(), which, known), {}};
}

} // namespace espalier::tensors
