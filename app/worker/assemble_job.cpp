// SPDX-License-Identifier: Apache-2.0
#include "app/worker/export_target.h"
#include "app/worker/job.h"
#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/config/config.h"
#include "core/growth/grow.h"
#include "core/models/registry.h"
#include "core/plan/assembled.h"
#include "core/plan/module_source.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace espalier::worker {
namespace {

using Files = std::vector<std::string>;

/// Blocks of module k where it lies; of a file that does not say it, an equal share.
Result<plan::Division> divisionOf(const plan::ModuleSource& source, std::size_t modules)
{
    auto division = plan::modulesIn(source);
    if (division.size() == modules)
        return division;
    const auto depth = plan::depthOf(source.shape.model);
    if (!division.empty() || depth % static_cast<std::int64_t>(modules) != 0)
        return Error{
            ErrorCode::Usage, fmt::format("{} has {} modules, and {} were named.", source.weights.string(), division.size(), modules), {}};
    return plan::Division(modules, depth / static_cast<std::int64_t>(modules));
}

/// The module that a file of the published code trained, which does not say it: the only one of several blocks among single ones.
std::int64_t trainedIn(const plan::ModuleSource& source)
{
    const auto deep = [](std::int64_t blocks) { return blocks > 1; };
    const auto division = plan::modulesIn(source);
    if (source.module >= 0 || std::ranges::count_if(division, deep) != 1 || division.size() < 2)
        return source.module;
    return std::ranges::find_if(division, deep) - division.begin();
}

struct Assembly {
    plan::Stage stage;
    plan::Division division;
};

/// Opens what was named, in the order of the modules, and checks that each is what its place asks for.
Result<Assembly> assemblyOf(const Files& files, const std::string& weights)
{
    std::vector<plan::ModuleSource> sources;
    std::vector<plan::ModuleOrigin> origins;
    Assembly assembly;
    for (std::size_t k = 0; k < files.size(); ++k) {
        auto opened = plan::openModuleSource(files[k], plan::moduleStage(k));
        if (!opened)
            return opened.error();
        auto division = divisionOf(*opened, files.size());
        if (!division)
            return division.error();
        opened->module = trainedIn(*opened);
        opened->division = *division;
        assembly.division.push_back((*division)[k]);
        origins.push_back({plan::PartSource::From::File, opened->weights.string(), *division, weights});
        sources.push_back(*std::move(opened));
    }
    for (std::size_t k = 0; k < files.size(); ++k) {
        // The whole model itself may give a module; otherwise only the one that was trained in this place does.
        auto wanted = plan::ModuleWanted{"--modules", sources.front().shape, sources[k].division, static_cast<std::int64_t>(k)};
        if (auto fits = plan::checkModuleSource(sources[k], wanted); !fits)
            return fits.error();
    }
    auto& stage = assembly.stage;
    stage.id = plan::kAssembledStage;
    stage.shape = sources.front().shape;
    for (const auto& source : sources) // weights of a U-Net do not say it
        stage.shape.side = std::max(stage.shape.side, source.shape.side);
    stage.shape.model = plan::withBlocks(stage.shape.model, assembly.division);
    stage.division = assembly.division;
    stage.weights = plan::joined(stage.shape.model, assembly.division, origins, origins.front());
    stage.optimizer = config::Carry::Reset;
    return assembly;
}

} // namespace

Result<Json> assembleJob(const Json& request, JobContext&)
{
    const auto weights = textOf(request, "weights", "raw"), out = textOf(request, "out", ""), to = textOf(request, "to", "");
    for (const auto* text : {&weights, &out, &to})
        if (!*text)
            return text->error();
    Files files;
    for (const auto& file : request.value("modules", Json::array()))
        files.push_back(file.is_string() ? file.get<std::string>() : std::string());
    if (files.empty() || out->empty())
        return Error{ErrorCode::Usage, "Name the modules in their order and the file to write: --modules … --out FILE.", {}};
    const auto layout = layoutFor(*to, *out);
    if (!layout)
        return layout.error();
    const auto assembly = assemblyOf(files, *weights);
    if (!assembly)
        return assembly.error();
    const auto& shape = assembly->stage.shape;
    const auto side = shape.side > 0 ? shape.side : plan::sideStep(shape.model);
    auto model = models::make(shape.model, {shape.inChannels, side, side}, at::kCPU, false);
    if (!model)
        return model.error();
    tensors::TrainState state;
    for (const auto& parameter : (*model)->named_parameters())
        state.slots.push_back({.name = parameter.key(), .value = parameter.value()});
    if (auto grown = growth::grow(assembly->stage, {}, state); !grown)
        return grown.error();
    std::vector<formats::SafetensorsItem> items;
    std::int64_t parameters = 0;
    for (const auto& slot : state.slots) {
        parameters += slot.value.numel();
        items.push_back({slot.name, formats::DType::F32, slot.value.sizes().vec(),
                         [tensor = slot.value.detach(), kept = std::make_shared<at::Tensor>()]() -> Result<std::span<const std::byte>> {
                             *kept = tensor.to(at::kCPU, at::kFloat).contiguous();
                             return std::span(static_cast<const std::byte*>(kept->data_ptr()), static_cast<std::size_t>(kept->nbytes()));
                         }});
    }
    Exported exported{shape, Json()};
    exported.division = assembly->division;
    auto result = writeExport(exported, *layout, std::move(items), *weights, *out);
    if (!result)
        return result;
    (*result)["parameters"] = parameters;
    (*result)["division"] = assembly->division;
    (*result)["model"] = shapes::describe(shape);
    return result;
}

} // namespace espalier::worker
