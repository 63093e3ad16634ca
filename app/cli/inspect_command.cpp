// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/inspect.h"
#include "app/cli/job_options.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/formats/npz.h"
#include "core/formats/weights_file.h"
#include "core/shapes/recognise.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

/// The model that the weights of a file belong to; with averages beside them, those of the averages.
void addModel(Inspected& said, const formats::WeightsFile& weights)
{
    std::vector<shapes::NamedShape> named;
    for (const auto& entry : weights.entries())
        named.push_back({entry.name, entry.shape});
    if (const auto model = shapes::recognise(named)) {
        said.json["model"] = {
            {"name", shapes::describe(model->shape)}, {"prefix", weights.group() + model->prefix}, {"shape", shapes::toJson(model->shape)}};
        said.text += fmt::format("  model: {}\n", shapes::describe(model->shape));
    } else {
        said.json["model"] = nullptr;
        said.json["not_recognised"] = model.error().message;
        said.text += fmt::format("  no model of ours: {}\n", model.error().message);
    }
}

void addTensor(Inspected& said, std::string& list, const std::string& name, formats::DType dtype, const std::vector<std::int64_t>& shape,
               std::uint64_t bytes)
{
    said.json["tensors"].push_back({{"name", name}, {"dtype", formats::nameOf(dtype)}, {"shape", shape}, {"bytes", bytes}});
    list += fmt::format("  {:<60} {:<5} [{}]\n", name, formats::nameOf(dtype), fmt::join(shape, ", "));
}

/// Every tensor of the file, also those beside the weights, such as an optimizer's.
Result<Inspected> inspectTorch(const fs::path& file, const formats::WeightsFile& weights)
{
    const auto reader = formats::TorchReader::open(file);
    if (!reader)
        return reader.error();
    Inspected said{{{"kind", "pytorch"}, {"file", file.string()}, {"other", reader->rest()}, {"tensors", Json::array()}},
                   fmt::format("{}: a PyTorch file with {} tensors\n", file.string(), reader->tensors().size())};
    std::string list;
    for (const auto& tensor : reader->tensors())
        addTensor(said, list, tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
    addModel(said, weights);
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

Result<Inspected> inspectTensors(const fs::path& file)
{
    const auto weights = formats::WeightsFile::open(file);
    if (!weights)
        return weights.error();
    if (formats::isTorchFile(file))
        return inspectTorch(file, *weights);
    Inspected said{{{"kind", "safetensors"}, {"file", file.string()}, {"metadata", weights->metadata()}, {"tensors", Json::array()}},
                   fmt::format("{}: {} tensors\n", file.string(), weights->entries().size())};
    std::string list;
    for (const auto& entry : weights->entries())
        addTensor(said, list, entry.name, entry.dtype, entry.shape, entry.bytes);
    addModel(said, *weights);
    for (const auto& [key, value] : weights->metadata())
        said.text += fmt::format("  {}: {}\n", key, value);
    said.text += list;
    return said;
}

Result<Inspected> inspectNpz(const fs::path& file)
{
    const auto reader = formats::NpzReader::open(file);
    if (!reader)
        return reader.error();
    Inspected said{{{"kind", "npz"}, {"file", file.string()}, {"arrays", Json::array()}},
                   fmt::format("{}: {} arrays\n", file.string(), reader->entries().size())};
    for (const auto& entry : reader->entries()) {
        const auto type = fmt::format("{}{}", entry.header.type.kind, entry.header.type.bytes);
        said.json["arrays"].push_back({{"name", entry.name}, {"type", type}, {"shape", entry.header.shape}});
        said.text += fmt::format("  {:<20} {:<4} [{}]\n", entry.name, type, fmt::join(entry.header.shape, ", "));
    }
    return said;
}

namespace {

Inspected settings(const Json& overlay)
{
    Inspected said;
    said.json["changed"] = Json::object();
    for (const auto* field : config::activeFields(overlay)) {
        const auto value = config::valueOf(overlay, *field);
        if (value == field->def)
            continue;
        said.json["changed"][config::typedPath(*field)] = value;
        said.text += fmt::format("  {:<34} {}\n", config::typedPath(*field), value.dump());
    }
    said.json["problems"] = Json::array();
    for (const auto& problem : config::validate(overlay)) {
        said.json["problems"].push_back({{"path", problem.path}, {"message", problem.message}});
        said.text += fmt::format("  wrong: {}\n", problem.message);
    }
    return said;
}

Result<Inspected> inspectAny(const std::string& typed)
{
    std::error_code error;
    const auto path = fs::path(typed);
    if (const auto run = runs::findRun(typed))
        return inspectRun(*run);
    if (fs::is_directory(path, error)) {
        if (fs::exists(path / "manifest.json", error))
            return inspectCheckpoint(path);
        return Error{ErrorCode::Usage, fmt::format("{} holds neither a run nor a checkpoint.", typed), {}};
    }
    if (!fs::exists(path, error)) {
        if (const auto preset = config::findPreset(typed))
            return inspectPreset(typed);
        return Error{ErrorCode::Usage, fmt::format("There is no run, file or preset {}.", typed), {}};
    }
    const auto kind = path.extension().string();
    if (kind == ".npz")
        return inspectNpz(path);
    if (kind == ".json")
        return inspectConfig(path);
    return inspectTensors(path);
}

} // namespace

Result<Inspected> inspectConfig(const fs::path& file)
{
    const auto text = readFile(file, 16u << 20);
    if (!text)
        return text.error();
    const auto overlay = config::overlayFromText(*text, file.string());
    if (!overlay)
        return overlay.error();
    auto said = settings(*overlay);
    said.json["kind"] = "config";
    said.json["file"] = file.string();
    said.text = fmt::format("Configuration {}; what differs from the defaults:\n{}", file.string(), said.text);
    return said;
}

Result<Inspected> inspectPreset(const std::string& id)
{
    const auto preset = config::findPreset(id);
    if (!preset)
        return preset.error();
    auto said = settings(preset->overlay);
    said.json["kind"] = "preset";
    said.json["id"] = id;
    said.text = fmt::format("Preset {}; what differs from the defaults:\n{}", id, said.text);
    return said;
}

void addInspect(CLI::App& app, Program& program)
{
    auto path = std::make_shared<std::string>();
    auto* command =
        addCommand(app, program, "inspect", "Explain a run, a checkpoint, a safetensors, PyTorch or npz file, a configuration or a preset",
                   [path, &program] {
                       const auto said = inspectAny(*path);
                       if (!said)
                           return program.console.fail(said.error());
                       program.console.result(said->json, said->text);
                       return 0;
                   });
    command->add_option("path", *path, "What to look at")->required();
}

} // namespace espalier::cli
