// SPDX-License-Identifier: Apache-2.0
#include "core/plan/module_source.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/config/config.h"
#include "core/formats/torch_file.h"
#include "core/formats/weights_file.h"
#include "core/plan/assembled.h"
#include "core/runs/retention.h"
#include "core/runs/run_folder.h"
#include "core/shapes/parameters.h"
#include "core/shapes/recognise.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace espalier::plan {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kLargestJson = 64u << 20;

/// {"division": […], "module": k}, as checkpoints and exported files carry it.
void readAssembling(const Json& json, ModuleSource& source)
{
    if (!json.is_object())
        return;
    if (const auto division = json.find("division"); division != json.end() && division->is_array())
        for (const auto& blocks : *division)
            source.division.push_back(blocks.is_number_integer() ? blocks.get<std::int64_t>() : 0);
    if (const auto module = json.find("module"); module != json.end() && module->is_number_integer())
        source.module = module->get<std::int64_t>();
}

/// The checkpoint of a run that is meant.
Result<fs::path> checkpointIn(const runs::RunFolder& run, const StageId& stage)
{
    std::error_code error;
    if (fs::exists(run.planFile(), error)) {
        const auto text = readFile(run.planFile(), 16u << 20);
        if (!text)
            return text.error();
        const auto plan = planFromText(*text);
        if (!plan)
            return Error{plan.error().code, fmt::format("{}: {}", run.planFile().string(), plan.error().message), plan.error().detail};
        if (const auto* known = findStage(*plan, stage)) {
            const auto end = endOf(*plan, stage);
            if (!end)
                return Error{ErrorCode::Usage, fmt::format("{} has not ended in the run {}; train it on first.", stage, run.name()), {}};
            return run.branch(known->branch).checkpointFolder(end->steps);
        }
        if (std::ranges::any_of(plan->stages, [](const Stage& each) { return !each.division.empty(); }))
            return Error{ErrorCode::Usage, fmt::format("The run {} has no stage {}.", run.name(), stage), {}};
    }
    const auto stored = runs::storedCheckpoints(run);
    if (stored.empty())
        return Error{ErrorCode::Usage, fmt::format("The run {} has no checkpoint yet.", run.name()), {}};
    return run.checkpointFolder(stored.back().step);
}

Result<ModuleSource> openCheckpoint(const fs::path& folder)
{
    const auto text = readFile(folder / "manifest.json", kLargestJson);
    if (!text)
        return text.error();
    const auto manifest = parseJson(*text);
    const auto about = manifest.is_object() ? manifest.value("about", Json()) : Json();
    const auto config = about.is_object() && about.contains("config") ? config::read(about["config"]) : Result<config::RunConfig>(Error{});
    if (!config)
        return Error{ErrorCode::Format, fmt::format("{} does not say how its network was built.", folder.string()), {}};
    ModuleSource source{folder, shapes::shapeOf(*config), {}, -1};
    readAssembling(about.value("assembling", Json()), source);
    return source;
}

/// Blocks of the modules in model_stages, the only entry that the published phases read.
Division divisionIn(const fs::path& file)
{
    constexpr std::string_view kModules = "model_stages.", kBlocks = ".blocks.";
    std::map<std::int64_t, std::int64_t> blocks;
    if (!formats::isTorchFile(file))
        return {};
    const auto reader = formats::TorchReader::open(file);
    if (!reader)
        return {};
    for (const auto& tensor : reader->tensors()) {
        const std::string_view name = tensor.name;
        if (!name.starts_with(kModules))
            continue;
        std::int64_t module = 0, block = 0;
        const auto [end, problem] = std::from_chars(name.data() + kModules.size(), name.data() + name.size(), module);
        const std::string_view rest(end, static_cast<std::size_t>(name.data() + name.size() - end));
        if (problem != std::errc() || !rest.starts_with(kBlocks))
            continue;
        if (std::from_chars(rest.data() + kBlocks.size(), rest.data() + rest.size(), block).ec == std::errc() && block >= 0 && block < 4096)
            blocks[module] = std::max(blocks[module], block + 1);
    }
    Division division;
    for (const auto& [module, count] : blocks) {
        if (module != std::ssize(division))
            return {};
        division.push_back(count);
    }
    return division;
}

Result<ModuleSource> openFile(const fs::path& file)
{
    const auto weights = formats::WeightsFile::open(file, "raw");
    if (!weights)
        return weights.error();
    std::vector<shapes::NamedShape> names;
    for (const auto& entry : weights->entries())
        names.push_back({entry.name, entry.shape});
    const auto known = shapes::recognise(names);
    if (!known)
        return Error{known.error().code, fmt::format("{}: {}", file.string(), known.error().message), {}};
    ModuleSource source{file, known->shape, {}, -1};
    if (const auto said = weights->metadata().find("espalier.assembling"); said != weights->metadata().end())
        readAssembling(parseJson(said->second), source);
    if (source.division.empty())
        source.division = divisionIn(file);
    return source;
}

std::string widthText(const shapes::ModelShape& shape)
{
    return std::visit(
        [](const auto& model) {
            if constexpr (requires { model.hiddenSize; })
                return fmt::format("{} wide, patches of {}", model.hiddenSize, model.patchSize);
            else
                return fmt::format("{} channels wide, times {} in its levels", model.hidChannels, fmt::join(model.chMultipliers, ", "));
        },
        shape.model);
}

/// The network as it would be at another depth, in all that weights say of it.
bool sameButDeeper(const shapes::ModelShape& a, const shapes::ModelShape& b)
{
    const auto tables = [](shapes::ModelShape shape) {
        shape.model = withDepth(shape.model, 1);
        std::vector<std::pair<std::string, std::vector<std::int64_t>>> found;
        for (const auto& parameter : shapes::parameterTable(shape))
            found.emplace_back(parameter.name, parameter.shape);
        return found;
    };
    return tables(a) == tables(b);
}

} // namespace

Result<ModuleSource> openModuleSource(const fs::path& from, const StageId& stage)
{
    std::error_code error;
    if (!fs::exists(from, error))
        return Error{ErrorCode::Usage, fmt::format("There is no run, checkpoint or file {}.", from.string()), {}};
    if (runs::isRunFolder(from)) {
        const auto checkpoint = checkpointIn(runs::RunFolder(from), stage);
        if (!checkpoint)
            return checkpoint.error();
        if (!fs::exists(*checkpoint / "manifest.json", error))
            return Error{ErrorCode::Usage, fmt::format("The checkpoint {} is gone.", checkpoint->string()), {}};
        return openCheckpoint(*checkpoint);
    }
    return fs::exists(from / "manifest.json", error) ? openCheckpoint(from) : openFile(from);
}

Division modulesIn(const ModuleSource& source)
{
    return divisionIn(source.shape.model).value_or(source.division);
}

Result<Done> checkModuleSource(const ModuleSource& source, const ModuleWanted& wanted)
{
    const auto what = wanted.module < 0 ? std::string("the meta model") : fmt::format("module {}", wanted.module);
    const auto refuse = [&](const std::string& why) {
        return Error{ErrorCode::Usage, fmt::format("{}: {} cannot be {}: {}.", wanted.setting, source.weights.string(), what, why),
                     wanted.setting};
    };
    if (shapes::family(source.shape) != shapes::family(wanted.model))
        return refuse(fmt::format("it holds {}", shapes::describe(source.shape)));
    const auto depth = blocksOf(wanted.division);
    const auto division = modulesIn(source);
    if (source.module >= 0 && source.module != wanted.module)
        return refuse(fmt::format("it is module {}", source.module));
    if (!division.empty() && division != wanted.division) {
        // The published files do not say which module they trained, but only one has as many blocks as in the whole model.
        if (wanted.module >= 0 && division.size() == wanted.division.size())
            for (std::size_t other = 0; other < division.size(); ++other)
                if (division[other] > division[static_cast<std::size_t>(wanted.module)] &&
                    division[other] == wanted.division[static_cast<std::size_t>(wanted.module)])
                    return refuse(fmt::format("it is module {}", other));
        return refuse(
            fmt::format("its modules have {} blocks, and {} are needed", fmt::join(division, ", "), fmt::join(wanted.division, ", ")));
    }
    if (!divisionIn(source.shape.model) && depthOf(source.shape.model) != depth)
        return refuse(fmt::format("it has {} blocks, and {} are needed", depthOf(source.shape.model), depth));
    if (!sameButDeeper(source.shape, wanted.model)) {
        const auto there = widthText(source.shape), here = widthText(wanted.model);
        return refuse(there != here ? fmt::format("it is {}, and the model is {}", there, here)
                                    : fmt::format("it holds {}, which differs from {} in more than depth", shapes::describe(source.shape),
                                                  shapes::describe(wanted.model)));
    }
    return Done{};
}

Result<Stage> withSources(Stage stage, const config::RunConfig& run)
{
    const auto* schedule = std::get_if<config::AssembledSchedule>(&run.schedule);
    if (!schedule)
        return stage;
    const auto whole = config::divisionOf(*schedule, run.model);
    const Division meta(whole.size(), schedule->metaBlocks);
    std::map<std::pair<std::string, std::int64_t>, std::string> found;
    for (auto& source : stage.weights) {
        if (source.from != PartSource::From::File || source.to.part.empty())
            continue;
        // Inside the meta model everything that has a source is the meta model's; what is no module's comes with the first.
        const auto module = stage.module >= 0 ? -1 : static_cast<std::int64_t>(moduleOf(run.model, whole, source.to).value_or(0));
        auto& weights = found[{source.which, module}];
        if (weights.empty()) {
            ModuleWanted wanted{"schedule.meta_from", shapes::shapeOf(run), meta, module};
            StageId there = kMetaStage;
            if (module >= 0) {
                const auto place = static_cast<std::size_t>(module);
                wanted.setting = "schedule.module_files";
                wanted.division = inside(meta, whole, place);
                there = moduleStage(place);
            }
            const auto opened = openModuleSource(source.which, there);
            if (!opened)
                return Error{opened.error().code, fmt::format("{}: {}", wanted.setting, opened.error().message), wanted.setting};
            if (auto fits = checkModuleSource(*opened, wanted); !fits)
                return fits.error();
            weights = opened->weights.string();
        }
        source.which = weights;
    }
    return stage;
}

Result<Done> checkSources(const config::RunConfig& run)
{
    if (!std::holds_alternative<config::AssembledSchedule>(run.schedule))
        return Done{};
    constexpr std::int64_t kUnknown = 1'000'000'000; // images: nothing here depends on their number
    const auto plan = makeStrategy(run, {kUnknown})->begin();
    if (!plan)
        return plan.error();
    for (const auto& stage : plan->stages)
        if (auto there = withSources(stage, run); !there)
            return there.error();
    return Done{};
}

} // namespace espalier::plan
