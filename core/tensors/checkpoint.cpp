// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/checkpoint.h"

#include "core/base/files.h"
#include "core/tensors/tensor_files.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>

namespace espalier::tensors {
namespace {

constexpr const char* kModel = "model.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "state.safetensors";

at::Tensor hostCopy(const at::Tensor& tensor)
{
    const at::Tensor host = tensor.detach().cpu();
    return host.is_alias_of(tensor) ? host.clone() : host; // clone keeps the strides: one plain copy
}

std::string emaFile(double decay)
{
    return fmt::format("ema-{}.safetensors", decay);
}

/// Makes `made` stand at `target`, in whose place another folder may stand; that one is removed.
Result<Done> exchangeInto(const std::filesystem::path& made, const std::filesystem::path& target)
{
    std::error_code ignored;
    if (::rename(made.c_str(), target.c_str()) == 0)
        return Done{};
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
        return ioError("write", target, errno);
    if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
        std::filesystem::remove_all(made, ignored);
        return Done{};
    }
    // A file system without exchange: there is a moment without the folder, but never half of one.
    const auto aside = target.parent_path() / fmt::format(".{}.old", target.filename().string());
    std::filesystem::remove_all(aside, ignored);
    if (::rename(target.c_str(), aside.c_str()) != 0 || ::rename(made.c_str(), target.c_str()) != 0)
        return ioError("write", target, errno);
    std::filesystem::remove_all(aside, ignored);
    return Done{};
}

} // namespace

Snapshot snapshot(const TrainState& state, const Json& about, const Json& clock)
{
    const at::NoGradGuard guard;
    Snapshot s;
    Json weights = {{"raw", kModel}};
    Snapshot::Shard model{kModel, {}}, optimizer{kOptimizer, {}}, rest{kState, {}};
    std::vector<Snapshot::Shard> averages;
    for (const double decay : state.emaDecays) {
        averages.push_back({emaFile(decay), {}});
        weights[emaName(decay)] = emaFile(decay);
    }
    for (const Slot& slot : state.slots) {
        model.tensors.emplace_back(slot.name, hostCopy(slot.value));
        for (std::size_t i = 0; i < averages.size(); ++i)
            averages[i].tensors.emplace_back(slot.name, hostCopy(slot.ema.at(i)));
        for (const auto& [prefix, tensor] :
             {std::pair{"m.", &slot.m}, std::pair{"v.", &slot.v}, std::pair{"step.", &slot.step}, std::pair{"largest.", &slot.largest}})
            if (tensor->defined())
                optimizer.tensors.emplace_back(prefix + slot.name, hostCopy(*tensor));
    }
    for (const auto& [name, tensor] : state.buffers)
        rest.tensors.emplace_back("buffers." + name, hostCopy(tensor));
    Json parts = Json::object();
    for (const StatePart* part : state.parts) {
        TensorMap tensors;
        Json json = Json::object();
        part->save(json, tensors);
        parts[part->name()] = std::move(json);
        for (const auto& [name, tensor] : tensors)
            rest.tensors.emplace_back("parts." + part->name() + "." + name, hostCopy(tensor));
    }
    s.shards.push_back(std::move(model));
    for (auto& average : averages)
        s.shards.push_back(std::move(average));
    for (auto* shard : {&optimizer, &rest})
        if (!shard->tensors.empty())
            s.shards.push_back(std::move(*shard));
    s.manifest = {{"schema", 1},
                  {"counters", state.counters.toJson()},
                  {"made_on", state.madeOn.toJson()},
                  {"weights", std::move(weights)},
                  {"ema_decays", state.emaDecays},
                  {"parts", std::move(parts)},
                  {"about", about},
                  {"clock", clock}};
    return s;
}

Result<Done> writeCheckpoint(const Snapshot& snapshot, const std::filesystem::path& folder)
{
    const auto part = folder.parent_path() / fmt::format(".{}.part", folder.filename().string());
    std::error_code failed, ignored;
    std::filesystem::remove_all(part, ignored); // left by a run that was killed here
    std::filesystem::create_directories(part, failed);
    if (failed)
        return ioError("make", part, failed.value());
    const auto written = [&]() -> Result<Done> {
        Json manifest = snapshot.manifest;
        manifest["files"] = Json::array();
        for (const auto& shard : snapshot.shards) {
            const auto file = writeTensors(part / shard.file, shard.tensors, {{"format", "pt"}});
            if (!file)
                return file.error();
            manifest["files"].push_back({{"name", shard.file}, {"bytes", file->bytes}, {"sha256", file->sha256}});
        }
        if (auto done = writeFileAtomically(part / "manifest.json", manifest.dump(1) + "\n", Sync::Yes); !done)
            return done;
        if (auto done = syncToDisk(part); !done)
            return done;
        if (auto done = exchangeInto(part, folder); !done)
            return done;
        return syncToDisk(folder.parent_path().empty() ? "." : folder.parent_path());
    }();
    if (!written)
        std::filesystem::remove_all(part, ignored);
    return written;
}

Result<Done> copyWeights(const TensorMap& weights, NamedTensors parameters, const std::string& file)
{
    constexpr std::string_view kPrefix = "module.";
    TensorMap bare;
    for (const auto& [name, tensor] : weights)
        bare[name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name] = tensor;
    const auto misfit = [&](const std::string& why) {
        return Error{ErrorCode::Format, fmt::format("{} does not fit this model: {}.", file, why), {}};
    };
    for (const auto& [name, parameter] : parameters) {
        const auto found = bare.find(name);
        if (found == bare.end())
            return misfit("it has no tensor " + name);
        if (found->second.sizes() != parameter.sizes())
            return misfit(
                fmt::format("{} has shape {}, but {} is needed", name, c10::str(found->second.sizes()), c10::str(parameter.sizes())));
        if (!found->second.is_floating_point())
            return misfit(
                fmt::format("{} holds {}, but floating-point numbers are needed", name, at::toString(found->second.scalar_type())));
    }
    if (bare.size() != parameters.size())
        for (const auto& [name, tensor] : bare)
            if (std::none_of(parameters.begin(), parameters.end(), [&](const auto& p) { return p.first == name; }))
                return misfit(fmt::format("the model has no parameter {}", name));
    const at::NoGradGuard guard;
    for (auto& [name, parameter] : parameters)
        parameter.copy_(bare.at(name));
    return Done{};
}

} // namespace espalier::tensors
