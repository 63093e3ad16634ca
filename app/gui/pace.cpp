// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/pace.h"

#include "core/base/files.h"
#include "core/config/config.h"
#include "core/config/devices.h"
#include "core/runs/lease.h"
#include "core/runs/run_folder.h"
#include "core/shapes/model_shape.h"
#include "widgets/run_values.h"

#include <algorithm>

namespace espalier::gui {
namespace {

const Json* memberOf(const Json& json, const char* key)
{
    return json.is_object() && json.contains(key) ? &json[key] : nullptr;
}

std::string keyOf(const config::RunConfig& config, const std::string& device, int ranks, const std::string& host)
{
    const auto& training = config.training;
    const Json key{shapes::toJson(shapes::shapeOf(config)),
                   training.batchSize,
                   training.microBatch,
                   training.accumulation,
                   training.threads,
                   training.precision == config::Precision::Bf16,
                   device,
                   ranks,
                   device == "cpu" ? host : std::string()}; // a GPU has a name; of CPUs only the host tells them apart
    return key.dump();
}

/// The key of a run that trained for a while; what it ran on stands in its newest checkpoint.
std::string keyOfRun(const std::filesystem::path& path)
{
    const runs::RunFolder folder(path);
    const auto text = readFile(folder.configFile(), 4u << 20);
    const auto document = text ? Json::parse(*text, nullptr, false) : Json();
    const auto* stored = memberOf(document, "config");
    const auto config = stored != nullptr ? config::read(*stored) : Result<config::RunConfig>(Error{ErrorCode::Format, {}, {}});
    if (!config)
        return {};
    std::int64_t newest = -1;
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder.checkpointsFolder(), error), end; !error && at != end; at.increment(error))
        newest = std::max(newest, runs::stepOfName(at->path().filename().string()));
    if (newest < 0)
        return {};
    const auto manifestText = readFile(folder.checkpointFolder(newest) / "manifest.json", 16u << 20);
    const auto manifest = manifestText ? Json::parse(*manifestText, nullptr, false) : Json();
    const auto* made = memberOf(manifest, "made_on");
    const auto* device = made != nullptr ? memberOf(*made, "device") : nullptr;
    const auto* world = made != nullptr ? memberOf(*made, "world_size") : nullptr;
    if (device == nullptr || !device->is_string() || world == nullptr || !world->is_number_integer())
        return {};
    const auto lease = runs::readLease(folder);
    return keyOf(*config, device->get<std::string>(), world->get<int>(), lease ? lease->host : std::string());
}

} // namespace

std::optional<widgets::Pace> PaceFinder::find(const config::RunConfig& config, const std::vector<runs::RunSummary>& library,
                                              const Here& here)
{
    const auto ask = config::parseDevices(config.devices);
    if (!ask)
        return std::nullopt;
    std::string device = "cpu";
    const bool gpu = ask->kind == config::DeviceKind::Gpu || (ask->kind == config::DeviceKind::Auto && !here.gpus.empty());
    if (gpu) {
        const auto index = static_cast<std::size_t>(ask->indices.empty() ? 0 : ask->indices.front());
        if (index >= here.gpus.size())
            return std::nullopt;
        device = "cuda " + here.gpus[index];
    }
    const auto wanted = keyOf(config, device, ask->count, here.host);

    std::vector<const runs::RunSummary*> newestFirst;
    for (const auto& run : library)
        if (runs::isAtRest(run.state) && run.progress.images > 0 && run.progress.seconds > 0)
            newestFirst.push_back(&run);
    std::sort(newestFirst.begin(), newestFirst.end(), [](const auto* a, const auto* b) { return a->changed > b->changed; });
    for (const auto* run : newestFirst) {
        auto& known = m_known[run->folder];
        if (known.changed != run->changed)
            known = {run->changed, keyOfRun(run->folder)};
        if (known.key == wanted)
            return widgets::Pace{run->progress.images / run->progress.seconds, widgets::qstr(run->name)};
    }
    return std::nullopt;
}

} // namespace espalier::gui
