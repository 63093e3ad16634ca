// SPDX-License-Identifier: Apache-2.0
#pragma once

// The doors of this folder: from text to RunConfig and back, and what the settings are.

#include "core/base/result.h"
#include "core/config/run_config.h"

#include <string>
#include <string_view>
#include <vector>

namespace espalier::config {

/// A setting that is wrong: where, and one sentence that says what is allowed.
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

/// Every setting, in the order of the form and of docs/settings.md.
const std::vector<Field>& fields();
/// The row of a setting as typed ("model.drop_rate" or "model[unet].drop_rate"), or nullptr.
const Field* findField(std::string_view path);

/// The whole configuration as JSON: every setting, in order.
Json write(const RunConfig& config);
/// The only door from JSON (whole or partial: what is missing has its default). Fails with the first problem as a Usage error.
Result<RunConfig> read(const Json& json);
/// Everything wrong with a configuration, field by field and then across fields. Empty: read() will succeed.
std::vector<Problem> validate(const Json& json);
/// Problems that only show across fields (lengths of lists, batch and accumulation, no limit set …).
std::vector<Problem> crossCheck(const RunConfig& config);

/// What differs between two whole configurations.
std::vector<Difference> difference(const Json& before, const Json& after);
/// Paths whose value is not the default.
std::vector<std::string> changedPaths(const Json& config);

/// Reads "training.steps=80" into an overlay; lists as [1,2,2] or 1,2,2; names the nearest setting when the path is unknown.
Result<Done> applySetting(Json& overlay, std::string_view assignment);
/// Lays `overlay` over `base`, key by key; a changed "kind" drops the settings of the other kind.
Json merge(Json base, const Json& overlay);

/// Brings a configuration of an older schema to the present one; on JSON only.
Result<Json> migrate(Json old, std::int64_t schema);

/// config.json of a run folder: {"schema", "config", "changed"}.
Json document(const RunConfig& config);
Result<RunConfig> readDocument(const Json& document);

/// docs/settings.md, whole.
std::string settingsPage();

} // namespace espalier::config
