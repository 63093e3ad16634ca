// SPDX-License-Identifier: Apache-2.0
#include "app/cli/first_weights.h"

#include "app/cli/foreign_weights.h"
#include "app/cli/job_options.h"
#include "core/formats/weights_file.h"
#include "core/runs/retention.h"
#include "core/shapes/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

namespace espalier::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPath = "init.from";

Error wrong(ErrorCode code, const std::string& why)
{
    return {code, fmt::format("{}: {}", kPath, why), kPath};
}

/// The file that names and shapes are read from. All weights of a checkpoint have the same.
Result<fs::path> fileOf(const Weights& weights)
{
    std::error_code ignored;
    auto folder = weights.path;
    if (weights.run) {
        const auto stored = runs::storedCheckpoints(*weights.run);
        if (stored.empty())
            return wrong(ErrorCode::Usage, fmt::format("the run {} has no checkpoint yet.", weights.typed));
        folder = weights.run->checkpointFolder(stored.back().step);
    }
    return fs::exists(folder / "manifest.json", ignored) ? folder / "model.safetensors" : folder;
}

std::string_view plain(std::string_view name)
{
    constexpr std::string_view kParallel = "module.";
    return name.starts_with(kParallel) ? name.substr(kParallel.size()) : name;
}

bool anyFits(const shapes::ModelShape& shape, const formats::WeightsFile& file)
{
    std::map<std::string, std::vector<std::int64_t>, std::less<>> wanted;
    for (const auto& parameter : shapes::parameterTable(shape))
        wanted.emplace(parameter.name, parameter.shape);
    return std::any_of(file.entries().begin(), file.entries().end(), [&](const auto& entry) {
        const auto found = wanted.find(plain(entry.name));
        return found != wanted.end() && found->second == entry.shape;
    });
}

} // namespace

Result<Done> checkFirstWeights(const config::RunConfig& config)
{
    if (config.init.from.empty())
        return Done{};
    const auto weights = findWeights(config.init.from);
    if (!weights)
        return wrong(weights.error().code, weights.error().message);
    const auto path = fileOf(*weights);
    if (!path)
        return path.error();
    const auto file = formats::WeightsFile::open(*path, config.init.weights);
    if (!file)
        return wrong(file.error().code, file.error().message);
    const auto shape = shapes::shapeOf(config);
    const auto identity = identified(*file);
    const auto* network = identity ? std::get_if<shapes::Recognised>(&identity->model) : nullptr;
    const auto what = identity ? shapes::withArticle(identity->name) : std::string("weights");
    const auto wanted = shapes::withArticle(shapes::describe(shape));
    const bool skips = config.init.misfits == config::Misfits::Skip;
    if (identity && (!network || (shapes::family(network->shape) != shapes::family(shape) && !skips)))
        return wrong(ErrorCode::Usage, fmt::format("{} holds {}, and this run trains {}.", config.init.from, what, wanted));
    // Stages may begin with a narrower network than the whole one.
    if (std::holds_alternative<config::PlainSchedule>(config.schedule) && !anyFits(shape, *file))
        return wrong(ErrorCode::Usage,
                     fmt::format("{} holds {} of which no tensor fits {}, which this run trains.", config.init.from, what, wanted));
    return Done{};
}

void removeUnbegun(const runs::RunFolder& run)
{
    std::error_code error;
    for (const auto& part : {run.checkpointsFolder(), run.samplesFolder(), run.scalarsFolder()})
        for (fs::recursive_directory_iterator at(part, error), end; !error && at != end; at.increment(error))
            if (std::error_code gone; !at->is_directory(gone))
                return;
    fs::remove_all(run.root(), error); // what cannot be removed does no harm
}

} // namespace espalier::cli
