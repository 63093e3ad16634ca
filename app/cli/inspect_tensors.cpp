// SPDX-License-Identifier: Apache-2.0
#include "app/cli/foreign_weights.h"
#include "app/cli/inspect.h"
#include "core/base/overloaded.h"
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/formats/weights_file.h"
#include "core/shapes/layouts.h"
#include "core/shapes/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

void addNetwork(Inspected& said, const formats::WeightsFile& weights, const shapes::Recognised& network)
{
    const auto& shape = network.shape;
    const auto classes = config::classesOf(shape.model);
    auto& model = said.json["model"];
    model["kind"] = shapes::family(shape);
    model["published_name"] = shapes::publishedName(shape.model);
    model["classes"] = classes;
    model["side"] = shape.side;
    model["channels"] = shape.inChannels;
    model["parameters"] = shapes::parameterCount(shape);
    model["prefix"] = weights.group() + network.prefix;
    model["shape"] = shapes::toJson(shape);
    model["assumed"] = network.assumed;
    for (const auto layout : shapes::layoutsFor(shape))
        model["layouts"].push_back(shapes::nameOf(layout));
    said.text += fmt::format("    {} channels{}, {} parameters\n", shape.inChannels,
                             classes > 0 ? fmt::format(", {} classes", groupedNumber(classes)) : std::string(", told no classes"),
                             groupedNumber(shapes::parameterCount(shape)));
    if (!network.assumed.empty())
        said.text += fmt::format("    not in the weights, so as published: {}\n", fmt::join(network.assumed, ", "));
}

/// Settings to draw or to go on with, for whoever asked; or what is needed for them.
void addSettings(Inspected& said, const formats::WeightsFile& weights, const fs::path& path)
{
    if (const auto own = weights.metadata().find("espalier.config"); own != weights.metadata().end()) {
        if (const auto overlay = config::parseText(own->second, path.string())) {
            said.json["settings"] = *overlay;
            return;
        }
    }
    const auto settings = settingsOf(weights, path, path.filename().string());
    said.json["settings"] = settings ? *settings : Json();
    if (!settings)
        said.json["settings_problem"] = settings.error().message;
}

/// The model that weights belong to; with averages beside them, those of the averages.
void addModel(Inspected& said, const Result<formats::WeightsFile>& weights, const fs::path& path)
{
    const auto identity = weights ? identified(*weights) : Result<shapes::Identified>(weights.error());
    if (!identity) {
        said.json["model"] = nullptr;
        said.json["not_recognised"] = identity.error().message;
        said.text += fmt::format("  no model of ours: {}\n", identity.error().message);
        return;
    }
    said.json["model"] = {{"name", identity->name}};
    said.text += fmt::format("  model: {}\n", identity->name);
    std::visit(Overloaded{[&](const shapes::Recognised& network) { addNetwork(said, *weights, network); },
                          [&](const shapes::AutoencoderShape&) {
                              said.json["model"]["kind"] = "autoencoder";
                              said.json["model"]["layouts"] = {"safetensors", "pt", "diffusers"};
                          },
                          [&](const shapes::InceptionShape&) { said.json["model"]["kind"] = "inception"; }},
               identity->model);
    said.json["weights"] = weights->kinds();
    said.json["layout"] = weights->layout();
    said.text += fmt::format("    weights: {}\n", fmt::join(weights->kinds(), ", "));
    if (!weights->layout().empty())
        said.text += fmt::format("    layout: {}\n", weights->layout());
    if (weights->stages() > 0) {
        said.json["stages"] = weights->stages();
        said.text += fmt::format("    {} stages of training; drawn as the last unless --stage says otherwise\n", weights->stages());
    }
    addSettings(said, *weights, path);
}

void addTensor(Inspected& said, std::string& list, const std::string& name, formats::DType dtype, const std::vector<std::int64_t>& shape,
               std::uint64_t bytes)
{
    said.json["tensors"].push_back({{"name", name}, {"dtype", formats::nameOf(dtype)}, {"shape", shape}, {"bytes", bytes}});
    list += fmt::format("  {:<60} {:<5} [{}]\n", name, formats::nameOf(dtype), fmt::join(shape, ", "));
}

/// Every tensor of the file, also those beside the weights, such as an optimizer's.
Result<Inspected> inspectTorch(const fs::path& file, const Result<formats::WeightsFile>& weights, const fs::path& path)
{
    const auto reader = formats::TorchReader::open(file);
    if (!reader)
        return reader.error();
    Inspected said{{{"kind", "pytorch"}, {"file", file.string()}, {"other", reader->rest()}, {"tensors", Json::array()}},
                   fmt::format("{}: a PyTorch file with {} tensors\n", file.string(), reader->tensors().size())};
    std::string list;
    for (const auto& tensor : reader->tensors())
        addTensor(said, list, tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
    addModel(said, weights, path);
    if (reader->rest().is_object())
        for (const auto& [key, value] : reader->rest().items()) {
            const auto text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
            said.text +=
                fmt::format("  {}: {}\n", key, text.size() <= 400 ? text : fmt::format("{} bytes, with --json whole", text.size()));
        }
    said.text += list;
    return said;
}

} // namespace

Result<Inspected> inspectTensors(const fs::path& path)
{
    // A file whose weights cannot be taken out is still a file that can be explained.
    const auto weights = formats::WeightsFile::open(path);
    std::error_code ignored;
    if (!weights && fs::is_directory(path, ignored))
        return weights.error();
    const auto file = weights ? weights->path() : path;
    if (formats::isTorchFile(file))
        return inspectTorch(file, weights, path);
    const auto reader = formats::SafetensorsReader::open(file);
    if (!reader)
        return reader.error();
    Inspected said{{{"kind", "safetensors"}, {"file", file.string()}, {"metadata", reader->metadata()}, {"tensors", Json::array()}},
                   fmt::format("{}: {} tensors\n", file.string(), reader->entries().size())};
    std::string list;
    for (const auto& entry : reader->entries())
        addTensor(said, list, entry.name, entry.dtype, entry.shape, entry.bytes());
    addModel(said, weights, path);
    for (const auto& [key, value] : reader->metadata())
        said.text += fmt::format("  {}: {}\n", key, value);
    said.text += list;
    return said;
}

} // namespace espalier::cli
