// SPDX-License-Identifier: Apache-2.0
#include "app/cli/job_options.h"

#include "app/cli/config_choice.h"
#include "app/cli/devices.h"
#include "app/cli/foreign_weights.h"
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/formats/weights_file.h"

#include <fmt/format.h>

namespace espalier::cli {
namespace fs = std::filesystem;

Result<Weights> findWeights(const std::string& typed)
{
    if (typed.empty())
        return Error{ErrorCode::Usage,
                     "No weights were named. Give --checkpoint with a run, a checkpoint folder, a safetensors or a PyTorch file.",
                     {}};
    if (auto run = runs::findRun(typed))
        return Weights{*run, {}, typed};
    std::error_code error;
    const fs::path path = absolutePath(typed);
    if (!fs::exists(path, error))
        return Error{ErrorCode::Usage,
                     fmt::format("There is no run, checkpoint or file {}. Give a run's folder or name, a folder in its checkpoints/, or a "
                                 "safetensors or PyTorch file.",
                                 typed),
                     {}};
    if (fs::is_directory(path, error)) {
        if (!fs::exists(path / "manifest.json", error) && !formats::isDiffusersFolder(path))
            return Error{
                ErrorCode::Usage,
                fmt::format("{} holds neither a run nor a finished checkpoint (no manifest.json), nor weights of diffusers.", typed),
                {}};
        if (formats::isDiffusersFolder(path))
            if (const auto file = formats::WeightsFile::open(path); !file)
                return file.error();
    } else if (const auto file = formats::WeightsFile::open(path); !file) {
        return file.error();
    }
    return Weights{{}, path, typed};
}

Result<Done> checkWeightsName(const std::string& which)
{
    if (config::isWeightsName(which))
        return Done{};
    return Error{
        ErrorCode::Usage, fmt::format("--weights {} names no weights. Known: ema, ema:DECAY (such as ema:0.9999) and raw.", which), {}};
}

Result<Json> configFor(const Weights& weights, const std::string& configFile)
{
    auto own = ownConfigOf(weights, configFile);
    std::error_code error;
    const bool checkpoint = fs::exists(weights.path / "manifest.json", error);
    if (!own || !own->is_null() || weights.run || checkpoint)
        return own;
    const auto file = formats::WeightsFile::open(weights.path);
    if (!file)
        return file.error();
    return settingsToDraw(*file, weights.path, weights.typed);
}

Result<Json> ownConfigOf(const Weights& weights, const std::string& configFile)
{
    if (!configFile.empty()) {
        if (weights.run)
            return Error{ErrorCode::Usage, "A run knows its own configuration: leave --config out.", {}};
        ConfigChoice choice;
        choice.file = configFile;
        const auto config = resolveConfig(choice);
        if (!config)
            return config.error();
        return config::write(*config);
    }
    std::error_code error;
    if (weights.run || fs::is_directory(weights.path, error))
        return Json();
    const auto file = formats::WeightsFile::open(weights.path);
    if (!file)
        return file.error();
    const auto about = file->metadata().find("espalier.config");
    if (about == file->metadata().end())
        return Json();
    auto overlay = config::parseText(about->second, weights.typed);
    if (!overlay)
        return overlay.error();
    const auto config = config::read(*overlay);
    if (!config)
        return Error{ErrorCode::Format, fmt::format("{}: {}", weights.typed, config.error().message), config.error().detail};
    return config::write(*config);
}

namespace {

/// In words of the setting "devices".
std::string asSetting(const std::string& typed)
{
    return typed == "cuda" || typed == "gpu" ? std::string("0") : typed.starts_with("cuda:") ? typed.substr(5) : typed;
}

} // namespace

Result<JobPlaces> jobPlaces(const std::string& typed)
{
    const auto place = runs::rendezvousFrom(runs::rendezvousVariables());
    if (!place)
        return place.error();
    if (!place->placed()) {
        auto devices = devicesFor(asSetting(typed));
        return devices ? Result<JobPlaces>(JobPlaces{*std::move(devices), {}}) : devices.error();
    }
    auto device = deviceForRank(asSetting(typed), *place);
    return device ? Result<JobPlaces>(JobPlaces{{*std::move(device)}, *place}) : device.error();
}

Result<Done> meetIn(JobPlaces& places, const fs::path& folder)
{
    auto& place = places.place;
    if (place.worldSize == 1 || !place.meetingFile.empty())
        return Done{};
    if (folder.empty())
        return Error{ErrorCode::Usage,
                     fmt::format("Started once per rank by {} (this is rank {} of {}), so ranks need a folder to meet in. Give all of them "
                                 "the same --out.",
                                 runs::launcherName(place.launcher), place.rank, place.worldSize),
                     {}};
    std::error_code error;
    if (places.leads())
        fs::create_directories(folder, error);
    if (error)
        return ioError("make the folder", folder, error.value());
    place.meetingFile = (folder / "meeting.json").string();
    return Done{};
}

Result<std::string> jobDevice(const std::string& typed)
{
    auto device = asSetting(typed);
    const auto devices = devicesFor(device);
    if (!devices)
        return devices.error();
    if (devices->size() != 1)
        return Error{
            ErrorCode::Usage, fmt::format("--device {}: this command works on one device. Name one, such as cpu or cuda:0.", typed), {}};
    return device;
}

std::string workerDevice(const std::string& device)
{
    const auto devices = devicesFor(device);
    return devices && !devices->empty() ? devices->front() : "cpu";
}

std::string absolutePath(const std::string& typed)
{
    std::error_code error;
    auto path = fs::absolute(typed, error).lexically_normal();
    if (!path.has_filename() && path.has_parent_path() && path != path.root_path())
        path = path.parent_path();
    return path.string();
}

double numberIn(const Json& json, const char* key, double otherwise)
{
    if (!json.is_object())
        return otherwise;
    const auto at = json.find(key);
    return at != json.end() && at->is_number() ? at->get<double>() : otherwise;
}

std::string textIn(const Json& json, const char* key)
{
    if (!json.is_object())
        return {};
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

} // namespace espalier::cli
