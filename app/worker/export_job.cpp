// SPDX-License-Identifier: Apache-2.0
#include "app/worker/export_target.h"
#include "app/worker/job.h"
#include "core/config/config.h"
#include "core/formats/weights_file.h"
#include "core/plan/module_source.h"
#include "core/runs/run_folder.h"
#include "core/shapes/identify.h"
#include "core/tensors/checkpoint.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <memory>

namespace espalier::worker {
namespace fs = std::filesystem;

namespace {

/// Weights to write and what is known of them.
struct Source {
    fs::path path;
    std::optional<config::RunConfig> config; // none: what they are follows from the tensors
    std::int64_t step = -1;
    Json folderConfig; // beside diffusers' weights
};

Result<Source> findSource(const Json& request)
{
    const auto given = textOf(request, "checkpoint", "");
    if (!given)
        return given.error();
    const fs::path path = *given;
    const bool ours = runs::isRunFolder(path) || fs::exists(path / "manifest.json");
    if (ours || path.empty() || (request.contains("config") && !request["config"].is_null())) {
        const auto checkpoint = findCheckpoint(request);
        if (!checkpoint)
            return checkpoint.error();
        return Source{checkpoint->folder, checkpoint->config, checkpoint->step, {}};
    }
    const auto file = formats::WeightsFile::open(path);
    if (!file)
        return file.error();
    return Source{path, {}, -1, file->folderConfig()};
}

using Named = std::vector<std::pair<std::string, at::Tensor>>;

/// Without what data-parallel training put before every name.
Named plainNames(const tensors::TensorMap& weights)
{
    constexpr std::string_view kParallel = "module.";
    const bool parallel = std::all_of(weights.begin(), weights.end(), [](const auto& item) { return item.first.starts_with(kParallel); });
    Named named;
    for (const auto& [name, tensor] : weights)
        named.emplace_back(parallel ? name.substr(kParallel.size()) : name, tensor);
    return named;
}

Result<Exported> exported(const Source& source, const Named& weights)
{
    if (source.config)
        return Exported{shapes::shapeOf(*source.config), config::write(*source.config)};
    std::vector<shapes::NamedShape> tensors;
    for (const auto& [name, tensor] : weights)
        tensors.push_back({name, tensor.sizes().vec()});
    auto identity = shapes::identify(tensors);
    if (!identity)
        return Error{identity.error().code, fmt::format("{}: {}", source.path.string(), identity.error().message), {}};
    Exported model;
    if (const auto* network = std::get_if<shapes::Recognised>(&identity->model))
        model.model = shapes::withDiffusersConfig(network->shape, source.folderConfig);
    else if (const auto* autoencoder = std::get_if<shapes::AutoencoderShape>(&identity->model))
        model = {*autoencoder, source.folderConfig};
    else
        return Error{ErrorCode::Usage,
                     fmt::format("{} holds {}, which is only read here.", source.path.string(), shapes::withArticle(identity->name)),
                     {}};
    return model;
}

} // namespace

Result<Json> exportJob(const Json& request, JobContext&)
{
    const auto source = findSource(request);
    if (!source)
        return source.error();
    const auto which = textOf(request, "weights", "ema"), out = textOf(request, "out", ""), to = textOf(request, "to", "");
    if (!which)
        return which.error();
    if (!out)
        return out.error();
    if (!to)
        return to.error();
    if (out->empty())
        return Error{ErrorCode::Usage, "No file was named to export to. Give one with --out."};
    const auto layout = layoutFor(*to, *out);
    if (!layout)
        return layout.error();
    const auto read = tensors::readWeights(source->path, *which);
    if (!read)
        return read.error();
    const auto weights = plainNames(*read);
    auto model = exported(*source, weights);
    if (!model)
        return model.error();
    if (std::holds_alternative<shapes::ModelShape>(model->model))
        if (auto modules = plan::openModuleSource(source->path, {})) { // which modules it is made of, and which one it is
            model->division = std::move(modules->division);
            model->module = modules->module;
        }
    std::vector<formats::SafetensorsItem> items;
    std::int64_t parameters = 0;
    for (const auto& [name, tensor] : weights) {
        parameters += tensor.numel();
        // One tensor at a time is laid out in C order; the pointer keeps it alive until the next one's turn.
        items.push_back({name, formats::DType::F32, tensor.sizes().vec(),
                         [tensor = tensor, kept = std::make_shared<at::Tensor>()]() -> Result<std::span<const std::byte>> {
                             *kept = tensor.to(at::kCPU, at::kFloat).contiguous();
                             return std::span(static_cast<const std::byte*>(kept->data_ptr()), static_cast<std::size_t>(kept->nbytes()));
                         }});
    }
    auto result = writeExport(*model, *layout, std::move(items), *which, *out);
    if (!result)
        return result;
    (*result)["parameters"] = parameters;
    (*result)["weights"] = *which;
    (*result)["step"] = source->step;
    return result;
}

} // namespace espalier::worker
