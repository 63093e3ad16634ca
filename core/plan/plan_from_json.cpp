// SPDX-License-Identifier: Apache-2.0
// plan.json as it is read: it may be damaged, or written by somebody else.
#include "core/plan/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace espalier::plan {

namespace {

constexpr std::size_t kMaxBytes = std::size_t{16} << 20, kMaxStages = 1024, kMaxParts = 1024, kMaxList = 4096, kMaxLedger = 100000,
                      kMaxText = 4096;

Error wrong(std::string_view where, std::string_view what)
{
    return {ErrorCode::Format, fmt::format("plan.json: {} must be {}.", where, what), std::string(where)};
}

std::optional<double> numberOf(const Json& json)
{
    if (json.is_number())
        return json.get<double>();
    if (json == "nan")
        return std::numeric_limits<double>::quiet_NaN();
    if (json == "inf" || json == "-inf")
        return json == "inf" ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
    return std::nullopt;
}

/// Reads one object key by key and remembers the first thing that is wrong.
class Fields {
public:
    Fields(const Json& json, std::string where) : m_json(json), m_where(std::move(where))
    {
        if (!json.is_object())
            fail(m_where, "an object");
    }
    std::string text(const char* key, bool required = true)
    {
        const auto* value = get(key, required);
        if (!value)
            return {};
        if (!value->is_string() || value->get_ref<const std::string&>().size() > kMaxText)
            return fail(at(key), "text"), std::string();
        return value->get<std::string>();
    }
    std::optional<std::int64_t> whole(const char* key, bool required)
    {
        const auto* value = get(key, required);
        if (!value)
            return std::nullopt;
        if (!value->is_number_integer() || value->get<double>() > 9e18)
            return fail(at(key), "a whole number"), std::nullopt;
        return value->get<std::int64_t>();
    }
    std::optional<double> real(const char* key)
    {
        const auto* value = get(key, false);
        if (!value)
            return std::nullopt;
        if (!value->is_number())
            return fail(at(key), "a number"), std::nullopt;
        return value->get<double>();
    }
    const Json& list(const char* key, std::size_t limit = kMaxList, bool required = true)
    {
        static const Json kEmpty = Json::array();
        const auto* value = get(key, required);
        if (!value)
            return kEmpty;
        if (!value->is_array() || value->size() > limit)
            return fail(at(key), fmt::format("a list of at most {} elements", limit)), kEmpty;
        return *value;
    }
    const Json& any(const char* key)
    {
        static const Json kNull;
        const auto* value = get(key, true);
        return value ? *value : kNull;
    }
    void only(std::initializer_list<std::string_view> known)
    {
        if (!m_json.is_object())
            return;
        for (const auto& item : m_json.items()) {
            if (std::find(known.begin(), known.end(), item.key()) == known.end())
                fail(m_where, fmt::format("without the unknown field \"{}\"", item.key().substr(0, 80)));
        }
    }
    bool has(const char* key) const { return m_json.is_object() && m_json.contains(key); }
    std::string at(const char* key) const { return m_where + "." + key; }
    void fail(std::string_view where, std::string_view what)
    {
        if (!error)
            error = wrong(where, what);
    }
    template <class T>
    T take(Result<T> result)
    {
        if (result)
            return std::move(result).value();
        if (!error)
            error = Error{ErrorCode::Format, fmt::format("plan.json: {}: {}", m_where, result.error().message), m_where};
        return T{};
    }

    std::optional<Error> error;

private:
    const Json* get(const char* key, bool required)
    {
        if (!m_json.is_object())
            return nullptr;
        const auto found = m_json.find(key);
        if (found != m_json.end())
            return &*found;
        if (required)
            fail(at(key), "there");
        return nullptr;
    }
    const Json& m_json;
    std::string m_where;
};

Result<PartSource> sourceFrom(const Json& json, const std::string& where)
{
    Fields fields(json, where);
    PartSource source;
    source.to = fields.take(shapes::rangeFromJson(fields.any("to")));
    const auto from = fields.text("from");
    if (from == "file" || from == "stage") {
        const char* key = from == "file" ? "file" : "stage";
        fields.only({"to", "from", key, "range", "weights"});
        source.from = from == "file" ? PartSource::From::File : PartSource::From::Stage;
        source.which = fields.text(key);
        source.range = fields.take(shapes::rangeFromJson(fields.any("range")));
        source.weights = fields.text("weights", false);
    } else if (from == "fresh") {
        fields.only({"to", "from"});
    } else {
        fields.fail(fields.at("from"), "fresh, stage or file");
    }
    if (fields.error)
        return *fields.error;
    return source;
}

Result<Candidate> candidateFrom(const Json& json, const std::string& where)
{
    Fields fields(json, where);
    fields.only({"name", "side", "keep", "trainable"});
    Candidate candidate;
    candidate.name = fields.text("name");
    candidate.side = fields.whole("side", false).value_or(0);
    for (const auto& kept : fields.list("keep", kMaxList, false)) {
        if (!kept.is_boolean())
            fields.fail(fields.at("keep"), "a list of true and false");
        else
            candidate.keepBlock.push_back(kept.get<bool>());
    }
    for (const auto& range : fields.list("trainable", kMaxParts, false))
        candidate.trainable.push_back(fields.take(shapes::rangeFromJson(range)));
    if (fields.error)
        return *fields.error;
    return candidate;
}

Result<OwnRecipe> recipeFrom(const Json& json, const std::string& where)
{
    Fields fields(json, where);
    fields.only({"warmup_steps", "warmup_epochs", "micro_batch", "mix_group", "grad_norm", "data_share", "decay_tables"});
    OwnRecipe recipe;
    recipe.warmupSteps = fields.whole("warmup_steps", false).value_or(recipe.warmupSteps);
    recipe.warmupEpochs = fields.whole("warmup_epochs", false).value_or(recipe.warmupEpochs);
    recipe.microBatch = fields.whole("micro_batch", false).value_or(recipe.microBatch);
    recipe.mixGroup = fields.whole("mix_group", false).value_or(recipe.mixGroup);
    recipe.gradNorm = fields.real("grad_norm").value_or(recipe.gradNorm);
    recipe.dataShare = fields.real("data_share").value_or(recipe.dataShare);
    if (fields.has("decay_tables")) {
        if (const auto& tables = fields.any("decay_tables"); tables.is_boolean())
            recipe.decayTables = tables.get<bool>();
        else
            fields.fail(fields.at("decay_tables"), "true or false");
    }
    if (fields.error)
        return *fields.error;
    return recipe;
}

Result<Stage> stageFrom(const Json& json, const std::string& where)
{
    Fields fields(json, where);
    fields.only({"id",      "branch", "after",  "shape",    "weights",      "trainable",  "length",        "batch",
                 "devices", "role",   "index",  "side",     "rand_augment", "erase_prob", "learning_rate", "optimizer",
                 "sid",     "window", "recipe", "division", "module"});
    Stage stage;
    stage.id = fields.text("id");
    stage.branch = fields.text("branch");
    stage.devices = fields.text("devices");
    stage.globalBatch = fields.whole("batch", true).value_or(0);
    for (const auto& id : fields.list("after", kMaxStages)) {
        if (!id.is_string())
            fields.fail(fields.at("after"), "a list of stage ids");
        else
            stage.after.push_back(id.get<std::string>());
    }
    stage.shape = fields.take(shapes::shapeFromJson(fields.any("shape")));
    for (const auto& source : fields.list("weights", kMaxParts))
        stage.weights.push_back(fields.take(sourceFrom(source, fields.at("weights"))));
    for (const auto& range : fields.list("trainable", kMaxParts))
        stage.trainable.push_back(fields.take(shapes::rangeFromJson(range)));
    Fields length(fields.any("length"), fields.at("length"));
    length.only({"steps", "images", "seconds"});
    stage.length = {length.whole("steps", false), length.whole("images", false), length.real("seconds")};
    const auto role = fields.text("role", false), optimizer = fields.text("optimizer", false);
    if (!role.empty() && role != "supernet")
        fields.fail(fields.at("role"), "supernet, or left out");
    if (!optimizer.empty() && optimizer != "reset")
        fields.fail(fields.at("optimizer"), "reset, or left out");
    stage.role = role.empty() ? Stage::Role::Train : Stage::Role::Supernet;
    stage.optimizer = optimizer.empty() ? config::Carry::Keep : config::Carry::Reset;
    const auto index = fields.whole("index", false).value_or(0);
    if (index < 0 || index >= static_cast<std::int64_t>(kMaxStages))
        fields.fail(fields.at("index"), "a small whole number");
    stage.index = static_cast<int>(index);
    stage.side = fields.whole("side", false).value_or(stage.side);
    stage.sid = fields.whole("sid", false).value_or(stage.sid);
    stage.strengths.randAugment = fields.whole("rand_augment", false).value_or(stage.strengths.randAugment);
    stage.strengths.eraseProb = fields.real("erase_prob").value_or(stage.strengths.eraseProb);
    stage.learningRate = fields.real("learning_rate").value_or(stage.learningRate);
    for (const auto& candidate : fields.list("window", kMaxList, false))
        stage.window.push_back(fields.take(candidateFrom(candidate, fields.at("window"))));
    if (fields.has("recipe"))
        stage.recipe = fields.take(recipeFrom(fields.any("recipe"), fields.at("recipe")));
    for (const auto& blocks : fields.list("division", kMaxList, false)) {
        if (!blocks.is_number_integer())
            fields.fail(fields.at("division"), "a list of whole numbers");
        else
            stage.division.push_back(blocks.get<std::int64_t>());
    }
    stage.module = fields.whole("module", false).value_or(stage.module);
    if (fields.error || length.error)
        return fields.error ? *fields.error : *length.error;
    return stage;
}

Result<Spent> spentFrom(const Json& json, const std::string& where)
{
    Fields fields(json, where);
    fields.only({"seconds", "flops"});
    const Spent spent{fields.real("seconds").value_or(0.0), fields.real("flops").value_or(0.0)};
    if (spent.seconds < 0.0 || spent.flops < 0.0)
        fields.fail(where, "numbers from 0");
    if (fields.error)
        return *fields.error;
    return spent;
}

Result<Measurement> measurementFrom(const Json& json, const std::string& where)
{
    Fields fields(json, where);
    fields.only({"id", "table", "wall_clock", "spent"});
    Measurement measurement{fields.text("id"), {}, false};
    if (fields.has("spent"))
        measurement.spent = fields.take(spentFrom(fields.any("spent"), fields.at("spent")));
    for (const auto& row : fields.list("table")) {
        auto& values = measurement.table.emplace_back();
        if (!row.is_array() || row.size() > kMaxList)
            return wrong(fields.at("table"), "rows of numbers");
        for (const auto& cell : row) {
            const auto value = numberOf(cell);
            if (!value)
                return wrong(fields.at("table"), "rows of numbers");
            values.push_back(*value);
        }
    }
    if (const auto& wallClock = fields.any("wall_clock"); wallClock.is_boolean())
        measurement.wallClock = wallClock.get<bool>();
    else
        fields.fail(fields.at("wall_clock"), "true or false");
    if (fields.error)
        return *fields.error;
    return measurement;
}

} // namespace

Result<Measurement> measurementFromJson(const Json& json)
{
    return measurementFrom(json, "the measurement");
}

Result<Plan> planFromJson(const Json& json)
{
    Fields fields(json, "the plan");
    const auto version = fields.whole("version", true);
    if (version && *version > Plan::kVersion) {
        return Error{
            ErrorCode::Format,
            fmt::format("plan.json has version {}, and this version of Espalier reads up to {}. Use the version that wrote it, or a "
                        "newer one.",
                        *version, Plan::kVersion),
            "version"};
    }
    if (version && *version != Plan::kVersion)
        return wrong("version", "1");
    fields.only({"version", "strategy", "stages", "ledger", "left"});
    Plan plan;
    if (fields.has("left"))
        plan.left = fields.take(spentFrom(fields.any("left"), "left"));
    plan.strategy = fields.any("strategy");
    if (!plan.strategy.is_object())
        fields.fail("strategy", "an object");
    const auto& stages = fields.list("stages", kMaxStages);
    for (std::size_t i = 0; i < stages.size() && !fields.error; ++i) {
        auto stage = stageFrom(stages[i], fmt::format("stages[{}]", i));
        if (!stage)
            return std::move(stage).error();
        plan.stages.push_back(std::move(*stage));
    }
    const auto& ledger = fields.list("ledger", kMaxLedger);
    for (std::size_t i = 0; i < ledger.size() && !fields.error; ++i) {
        auto measurement = measurementFrom(ledger[i], fmt::format("ledger[{}]", i));
        if (!measurement)
            return std::move(measurement).error();
        plan.ledger.push_back(std::move(*measurement));
    }
    if (fields.error)
        return *fields.error;
    if (auto checked = check(plan); !checked)
        return std::move(checked).error();
    return plan;
}

Result<Plan> planFromText(std::string_view text)
{
    constexpr int kMaxDepth = 32;
    if (text.size() > kMaxBytes)
        return Error{ErrorCode::Format, "plan.json is larger than 16 MiB: that is no plan.", ""};
    bool tooDeep = false;
    const auto watch = [&](int depth, Json::parse_event_t, Json&) {
        tooDeep = tooDeep || depth > kMaxDepth;
        return depth <= kMaxDepth;
    };
    const auto json = Json::parse(text.begin(), text.end(), watch, false);
    if (json.is_discarded() || tooDeep)
        return Error{ErrorCode::Format, "plan.json is damaged: it is no valid JSON, or nested too deep.", ""};
    return planFromJson(json);
}

} // namespace espalier::plan
