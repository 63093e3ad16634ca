// SPDX-License-Identifier: Apache-2.0
#include "core/runs/retention.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier::runs {
namespace fs = std::filesystem;
namespace {

const StoredCheckpoint* bestOf(const std::vector<StoredCheckpoint>& stored)
{
    const StoredCheckpoint* best = nullptr;
    for (const auto& each : stored)
        if (each.metric && std::isfinite(each.metric->value) && (!best || each.metric->betterThan(*best->metric)))
            best = &each;
    return best;
}

bool endsStage(const fs::path& manifest)
{
    const auto text = readFile(manifest, 16 << 20);
    const auto json = text ? parseJson(*text) : Json();
    const auto about = json.is_object() ? json.value("about", Json()) : Json();
    return about.is_object() && about.contains("ends_stage");
}

} // namespace

std::string keptBecause(const config::CheckpointConfig& config, const std::vector<StoredCheckpoint>& stored, std::int64_t step)
{
    const StoredCheckpoint* self = nullptr;
    std::int64_t newer = 0;
    for (const auto& each : stored) {
        if (each.step == step)
            self = &each;
        newer += each.step > step ? 1 : 0;
    }
    if (!self)
        return "";
    if (newer == 0)
        return "newest";
    if (self->keptForRun)
        return "stage";
    if (self->keptByHand)
        return "by hand";
    if (newer < config.keepLast)
        return fmt::format("last {}", config.keepLast);
    if (config.keepEvery > 0 && step % config.keepEvery == 0)
        return fmt::format("every {}", config.keepEvery);
    if (config.keepBest && bestOf(stored) == self)
        return "best";
    return "";
}

std::vector<std::int64_t> checkpointsToRemove(const config::CheckpointConfig& config, std::vector<StoredCheckpoint> stored)
{
    std::sort(stored.begin(), stored.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
    std::vector<std::int64_t> gone;
    for (const auto& each : stored)
        if (keptBecause(config, stored, each.step).empty())
            gone.push_back(each.step);
    return gone;
}

std::vector<StoredCheckpoint> storedCheckpoints(const RunFolder& folder)
{
    std::vector<StoredCheckpoint> stored;
    std::error_code error;
    for (fs::directory_iterator at(folder.checkpointsFolder(), error), end; !error && at != end; at.increment(error)) {
        const auto step = stepOfName(at->path().filename().string());
        std::error_code ignored;
        if (step < 0 || !fs::exists(at->path() / "manifest.json", ignored))
            continue;
        StoredCheckpoint each;
        each.step = step;
        each.keptByHand = fs::exists(at->path() / "keep", ignored);
        each.keptForRun = endsStage(at->path() / "manifest.json");
        stored.push_back(each);
    }
    std::sort(stored.begin(), stored.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
    return stored;
}

Result<Done> keepCheckpoint(const RunFolder& folder, std::int64_t step, bool keep)
{
    const auto at = folder.checkpointFolder(step);
    std::error_code error;
    if (!fs::exists(at / "manifest.json", error))
        return Error{ErrorCode::Usage, fmt::format("The run {} has no checkpoint of step {}.", folder.name(), step), {}};
    if (keep)
        return writeFileAtomically(at / "keep", "");
    if (fs::remove(at / "keep", error); error)
        return ioError("remove", at / "keep", error.value());
    return Done{};
}

} // namespace espalier::runs
