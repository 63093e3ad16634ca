// SPDX-License-Identifier: Apache-2.0
#include "app/cli/foreign_weights.h"
#include "app/cli/inspect.h"
#include "core/base/overloaded.h"
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/formats/safetensors.h"
#include "core/formats/torch_file.h"
#include "core/formats/weights_file.h"
#include "core/formats/weights_index.h"
#include "core/shapes/layouts.h"
#include "core/shapes/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

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

/// Every tensor of a file, also those beside the weights, such as an optimizer's; what else it says goes to `about`.
Result<Done> addFile(Inspected& said, std::string& list, std::string& about, const fs::path& file)
{
    if (!formats::isTorchFile(file)) {
        const auto reader = formats::SafetensorsReader::open(file);
        if (!reader)
            return reader.error();
        for (const auto& entry : reader->entries())
            addTensor(said, list, entry.name, entry.dtype, entry.shape, entry.bytes());
        said.json["metadata"] = reader->metadata();
        for (const auto& [key, value] : reader->metadata())
            about += fmt::format("  {}: {}\n", key, value);
        return Done{};
    }
    const auto reader = formats::TorchReader::open(file);
    if (!reader)
        return reader.error();
    for (const auto& tensor : reader->tensors())
        addTensor(said, list, tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
    said.json["other"] = reader->rest();
    if (reader->rest().is_object())
        for (const auto& [key, value] : reader->rest().items()) {
            const auto text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
            about += fmt::format("  {}: {}\n", key, text.size() <= 400 ? text : fmt::format("{} bytes, with --json whole", text.size()));
        }
    return Done{};
}

} // namespace

Result<Inspected> inspectTensors(const fs::path& path)
{
    // A file whose weights cannot be taken out is still a file that can be explained.
    const auto weights = formats::WeightsFile::open(path);
    std::error_code ignored;
    if (!weights && (fs::is_directory(path, ignored) || formats::isWeightsIndex(path)))
        return weights.error();
    const auto named = weights ? weights->path() : path;
    const auto files = weights ? weights->files() : std::vector{path};
    const bool torch = std::any_of(files.begin(), files.end(), formats::isTorchFile);
    Inspected said{{{"kind", torch ? "pytorch" : "safetensors"}, {"file", named.string()}, {"tensors", Json::array()}}, ""};
    std::string list, about;
    for (const auto& file : files)
        if (auto added = addFile(said, list, about, file); !added)
            return added.error();
    const auto count = said.json["tensors"].size();
    if (files.size() == 1 && files.front() == named) {
        said.text = fmt::format("{}: {}{} tensors\n", named.string(), torch ? "a PyTorch file with " : "", count);
    } else {
        for (const auto& file : files)
            said.json["files"].push_back(file.filename().string());
        said.text = fmt::format("{}: {} tensors in {} files\n", named.string(), count, files.size());
    }
    addModel(said, weights, path);
    said.text += about + list;
    return said;
}

} // namespace espalier::cli
