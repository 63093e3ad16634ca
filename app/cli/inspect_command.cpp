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
#include "core/formats/weights_index.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

namespace espalier::cli {
namespace fs = std::filesystem;

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
        if (formats::isDiffusersFolder(path))
            return inspectTensors(path);
        return Error{ErrorCode::Usage, fmt::format("{} holds neither a run nor a checkpoint, nor weights of diffusers.", typed), {}};
    }
    if (!fs::exists(path, error)) {
        if (const auto preset = config::findPreset(typed))
            return inspectPreset(typed);
        return Error{ErrorCode::Usage, fmt::format("There is no run, file or preset {}.", typed), {}};
    }
    if (formats::isWeightsIndex(path))
        return inspectTensors(path);
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
    auto* command = addCommand(app, program, "inspect",
                               "Explain a run, a checkpoint, a safetensors, PyTorch or npz file, an index of split weights, a diffusers "
                               "folder, a configuration or a "
                               "preset",
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
