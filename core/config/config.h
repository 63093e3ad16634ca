// SPDX-License-Identifier: Apache-2.0
#pragma once

// The doors of this folder: from text to RunConfig and back, and what the settings are.
//
// A configuration as JSON is a tree of groups: {"seed": 0, "model": {"kind": "unet", "drop_rate": 0.1}, …}. What is missing has its
// default. Settings are addressed by path ("training.ema.decays"); the settings of an alternative are listed as "model[unet].drop_rate"
// and typed as "model.drop_rate". One function, checkValue, makes the sentence about a wrong value for the form, the flags and files.

#include "core/base/result.h"
#include "core/config/run_config.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::config {

/// A setting that is wrong: where (as typed), and one sentence that says what is allowed.
struct Problem {
    std::string path;
    std::string message;
};

/// A setting that differs between two configurations.
struct Difference {
    std::string path;
    Json before, after;
    Change change = Change::Never;
};

// What settings there are.

/// Every setting, in the order of the form and of docs/settings.md.
const std::vector<Field>& fields();
/// The row of a setting, as typed ("model.drop_rate") or as listed ("model[unet].drop_rate"); nullptr when there is none.
/// Where alternatives share a name, `config` decides by its kinds.
const Field* findField(std::string_view path, const Json& config = Json::object());
/// Whether the model of a configuration has a use for a setting: a network that tells images apart draws none and has no noise; others
/// learn no targets.
bool isUsed(std::string_view typedPath, const Json& config);
/// The rows that apply to a configuration, given its kinds.
std::vector<const Field*> activeFields(const Json& config);
/// "model[unet].drop_rate" as it is typed: "model.drop_rate".
std::string typedPath(const Field& field);

// One setting in a configuration, whole or partial.

/// The sentence about a value that a setting does not take, or nothing when it is fine. Whole numbers may be written as 80.0 or 8e1.
std::optional<std::string> checkValue(const Field& field, const Json& value);
/// The value, or the default when it is not there.
Json valueOf(const Json& config, const Field& field);
/// Sets a value, making groups on the way; changing a kind drops the settings of the other kind.
void setValue(Json& overlay, const Field& field, Json value);
/// Takes a value out, and groups that become empty with it: the default holds again.
void clearValue(Json& overlay, const Field& field);
/// Reads "training.steps=80" into an overlay; lists as [1,2,2] or 1,2,2; names the nearest setting when the path is unknown.
Result<Done> applySetting(Json& overlay, std::string_view assignment);

// A whole configuration.

/// The whole configuration as JSON: every setting, in order.
Json write(const RunConfig& config);
/// The only door from JSON (whole or partial: what is missing has its default). Fails with the first problem as a Usage error, whose
/// detail is the path.
Result<RunConfig> read(const Json& json);
/// Everything wrong with a configuration: field by field, and when no field is wrong, across fields. Empty: read() will succeed.
std::vector<Problem> validate(const Json& json);
/// Problems that only show across fields (lengths of lists, batch and accumulation, no limit set …).
std::vector<Problem> crossCheck(const RunConfig& config);

/// The same for a model alone that sees images of that side, each position standing for `pixels` of data.side; 0: whatever they are.
std::vector<Problem> checkModel(const ModelConfig& model, std::int64_t side, std::int64_t pixels = 1);

/// Whether text names weights of a checkpoint: "raw", "ema" (the first average) or "ema:0.9999".
bool isWeightsName(std::string_view text);

/// What differs between two configurations, by the order of the settings. 80 and 80.0 are the same.
std::vector<Difference> difference(const Json& before, const Json& after);
/// Paths whose value is not the default.
std::vector<std::string> changedPaths(const Json& config);
/// Lays `overlay` over `base`, key by key; a changed "kind" drops the settings of the other kind.
Json merge(Json base, const Json& overlay);

/// The model alone, as in the configuration's "model" group: plan.json and checkpoints carry it.
Json writeModel(const ModelConfig& model);
/// Fails naming the field. Checks fields only, not what depends on the image side.
Result<ModelConfig> readModel(const Json& json);

// Documents.

/// Parses JSON text of at most 1 MiB and 32 levels; a repeated key is an error. `name` says in the message whose text it was.
Result<Json> parseText(std::string_view text, std::string_view name);
/// The overlay in a file given to --config: settings, a run's config.json, or a configuration of the DDPM baseline.
Result<Json> overlayFromText(std::string_view text, std::string_view name);
/// Brings a configuration of an older schema to the present one; on JSON only.
Result<Json> migrate(Json old, std::int64_t schema);
/// config.json of a run folder: {"schema", "config", "changed"}.
Json document(const RunConfig& config);
Result<RunConfig> readDocument(const Json& document);

/// docs/settings.md, whole.
std::string settingsPage();

} // namespace espalier::config
