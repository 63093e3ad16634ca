// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"

#include "core/config/paths.h"
#include "core/config/visitors.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::config {

const std::vector<Field>& fields()
{
    static const std::vector<Field> rows = [] {
        RunConfig defaults;
        Catalog catalog;
        RunConfig::describe(defaults, catalog);
        return std::move(catalog.rows);
    }();
    return rows;
}

Json write(const RunConfig& config)
{
    Write writer;
    RunConfig::describe(config, writer);
    return std::move(writer.json);
}

namespace {

RunConfig readChecked(const Json& json)
{
    RunConfig config;
    Read reader{json};
    RunConfig::describe(config, reader);
    return config;
}

} // namespace

std::vector<Problem> validate(const Json& json)
{
    auto problems = checkFields(json);
    return problems.empty() ? crossCheck(readChecked(json)) : problems;
}

Result<RunConfig> read(const Json& json)
{
    if (const auto problems = validate(json); !problems.empty())
        return Error{ErrorCode::Usage, problems.front().message, problems.front().path};
    return readChecked(json);
}

Json writeModel(const ModelConfig& model)
{
    Write writer;
    writer("model", model, "");
    return std::move(writer.json["model"]);
}

Result<ModelConfig> readModel(const Json& json)
{
    const Json wrapped{{"model", json}};
    for (const auto& problem : checkFields(wrapped))
        return Error{ErrorCode::Usage, problem.message, problem.path};
    ModelConfig model;
    Read reader{wrapped};
    reader("model", model, "");
    return model;
}

Result<Json> migrate(Json old, std::int64_t schema)
{
    // The first older schema adds its step here: if (schema == 1) { old = …; schema = 2; }
    if (schema == RunConfig::kSchema)
        return old;
    if (schema > RunConfig::kSchema) {
        return Error{
            ErrorCode::Usage,
            fmt::format("This configuration has schema {}, and this version of Espalier reads up to {}. Use the version that wrote "
                        "it, or a newer one.",
                        schema, RunConfig::kSchema),
            "schema"};
    }
    return Error{ErrorCode::Usage,
                 fmt::format("There is no configuration schema {}; \"schema\" goes from 1 to {}.", schema, RunConfig::kSchema), "schema"};
}

Json document(const RunConfig& config)
{
    const auto whole = write(config);
    return {{"schema", RunConfig::kSchema}, {"config", whole}, {"changed", changedPaths(whole)}};
}

Result<RunConfig> readDocument(const Json& document)
{
    const bool object = document.is_object();
    const auto schema = object ? document.find("schema") : document.end();
    const auto config = object ? document.find("config") : document.end();
    if (!object || schema == document.end() || config == document.end() || !schema->is_number_integer()) {
        return Error{ErrorCode::Format,
                     "This is no configuration of a run: it must be an object with a whole number \"schema\" and a "
                     "\"config\".",
                     "schema"};
    }
    auto present = migrate(*config, schema->get<std::int64_t>());
    if (!present)
        return std::move(present).error();
    return read(*present);
}

bool isUsed(std::string_view typedPath, const Json& config)
{
    static constexpr std::string_view kOfDrawing[] = {"diffusion.", "samples.", "evaluation.sampler.", "evaluation.seed",
                                                      "evaluation.features"},
                                      kOfTelling[] = {"data.augment.erase", "data.augment.mix", "data.augment.cutmix",
                                                      "data.augment.label_smoothing"};
    const auto* kind = find(config, "model.kind");
    const bool draws = !kind || *kind != Json(VitConfig::kKind);
    const auto begins = [&](std::string_view start) { return typedPath.starts_with(start); };
    const bool unet = !kind || *kind == Json(UNetConfig::kKind), dit = kind && *kind == Json(DitConfig::kKind);
    const auto* schedule = find(config, "schedule.kind");
    const bool searches = schedule && (*schedule == Json(AutoProgSchedule::kKind) || *schedule == Json(AutoProgZeroSchedule::kKind));
    if (typedPath.starts_with("search.") && !searches)
        return false;
    const auto isOne = [&](std::initializer_list<std::string_view> paths) { return std::ranges::find(paths, typedPath) != paths.end(); };
    if (isOne({"schedule.levels", "schedule.blocks"}))
        return unet;
    if (typedPath == "model.num_res_blocks") {
        const auto* levels = find(config, "model.level_blocks");
        return !levels || levels->empty();
    }
    if (isOne({"schedule.depth", "schedule.division"}))
        return !unet;
    if (isOne({"schedule.drop", "schedule.drop_start", "schedule.pt.drop", "schedule.mt.drop", "schedule.ft.drop"}))
        return !dit;
    if (isOne({"schedule.pt.mix_group", "schedule.mt.mix_group", "schedule.ft.mix_group"}))
        return !draws;
    if (isOne({"schedule.rand_augment", "schedule.erase_prob", "schedule.rand_augment_start", "schedule.erase_start"}))
        return !draws;
    return draws ? std::ranges::none_of(kOfTelling, begins) : std::ranges::none_of(kOfDrawing, begins);
}

} // namespace espalier::config
