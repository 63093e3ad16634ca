// SPDX-License-Identifier: Apache-2.0
#include "core/runs/events.h"

#include "core/base/parse_json.h"
#include "core/runs/run_folder.h"

#include <array>
#include <cmath>

namespace espalier::runs {
namespace {

// Readers: a field that is missing keeps its default; one of a wrong type makes the event unreadable.
bool get(const Json& json, const char* key, std::string& value)
{
    const auto at = json.find(key);
    if (at == json.end())
        return true;
    if (!at->is_string())
        return false;
    value = at->get<std::string>();
    return true;
}

bool get(const Json& json, const char* key, std::int64_t& value)
{
    const auto at = json.find(key);
    if (at == json.end())
        return true;
    if (!at->is_number_integer())
        return false;
    value = at->get<std::int64_t>();
    return true;
}

bool get(const Json& json, const char* key, int& value)
{
    std::int64_t wide = value;
    if (!get(json, key, wide) || wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max())
        return false;
    value = static_cast<int>(wide);
    return true;
}

bool get(const Json& json, const char* key, std::uint64_t& value)
{
    std::int64_t wide = static_cast<std::int64_t>(value);
    if (!get(json, key, wide) || wide < 0)
        return false;
    value = static_cast<std::uint64_t>(wide);
    return true;
}

bool get(const Json& json, const char* key, double& value)
{
    const auto at = json.find(key);
    if (at == json.end())
        return true;
    if (at->is_null()) { // how JSON writes NaN
        value = std::numeric_limits<double>::quiet_NaN();
        return true;
    }
    if (!at->is_number())
        return false;
    value = at->get<double>();
    return true;
}

bool get(const Json& json, const char* key, bool& value)
{
    const auto at = json.find(key);
    if (at == json.end())
        return true;
    if (!at->is_boolean())
        return false;
    value = at->get<bool>();
    return true;
}

bool get(const Json& json, const char* key, std::optional<double>& value)
{
    const auto at = json.find(key);
    if (at == json.end() || at->is_null())
        return true;
    if (!at->is_number())
        return false;
    value = at->get<double>();
    return true;
}

bool getObject(const Json& json, const char* key, Json& value)
{
    const auto at = json.find(key);
    if (at == json.end() || at->is_null())
        return true;
    if (!at->is_object())
        return false;
    value = *at;
    return true;
}

bool getAny(const Json& json, const char* key, Json& value)
{
    if (const auto at = json.find(key); at != json.end())
        value = *at;
    return true;
}

template <class T>
bool isKind(const Event& event)
{
    return event.kind == T::kKind && event.fields.is_object();
}

template <class T>
std::optional<T> given(bool good, T& value)
{
    return good ? std::optional<T>(std::move(value)) : std::nullopt;
}

constexpr std::array<std::pair<ErrorCode, std::string_view>, 10> kCodes{{
    {ErrorCode::Usage, "usage"},
    {ErrorCode::Io, "io"},
    {ErrorCode::Format, "format"},
    {ErrorCode::Busy, "busy"},
    {ErrorCode::Memory, "memory"},
    {ErrorCode::Device, "device"},
    {ErrorCode::NotFinite, "not_finite"},
    {ErrorCode::Lost, "lost"},
    {ErrorCode::Cancelled, "cancelled"},
    {ErrorCode::Internal, "internal"},
}};

} // namespace

std::string_view errorCodeText(ErrorCode code)
{
    for (const auto& [each, text] : kCodes)
        if (each == code)
            return text;
    return "internal";
}

ErrorCode errorCodeFromText(std::string_view text)
{
    for (const auto& [code, each] : kCodes)
        if (each == text)
            return code;
    return ErrorCode::Internal;
}

Event makeEventNow(std::string_view kind, Json fields)
{
    return {wallTime(), std::string(kind), std::move(fields)};
}

Json Created::fields() const
{
    return {{"run_id", runId}, {"name", name}, {"program", program}};
}

std::optional<Created> Created::from(const Event& event)
{
    Created to;
    const auto& f = event.fields;
    return given(isKind<Created>(event) && get(f, "run_id", to.runId) && get(f, "name", to.name) && get(f, "program", to.program), to);
}

Json StateChanged::fields() const
{
    return {{"state", stateText(state)}, {"why", why}};
}

std::optional<StateChanged> StateChanged::from(const Event& event)
{
    StateChanged to;
    std::string word;
    if (!isKind<StateChanged>(event) || !get(event.fields, "state", word) || !get(event.fields, "why", to.why))
        return std::nullopt;
    const auto state = stateFromText(word);
    if (!state)
        return std::nullopt;
    to.state = *state;
    return to;
}

Json Started::fields() const
{
    return {{"attempt", attempt},  {"from_step", fromStep}, {"ranks", ranks},         {"devices", devices},
            {"of_steps", ofSteps}, {"of_images", ofImages}, {"of_seconds", ofSeconds}};
}

std::optional<Started> Started::from(const Event& event)
{
    Started to;
    const auto& f = event.fields;
    return given(isKind<Started>(event) && get(f, "attempt", to.attempt) && get(f, "from_step", to.fromStep) && get(f, "ranks", to.ranks) &&
                     get(f, "devices", to.devices) && get(f, "of_steps", to.ofSteps) && get(f, "of_images", to.ofImages) &&
                     get(f, "of_seconds", to.ofSeconds),
                 to);
}

Json Resumed::fields() const
{
    return {{"attempt", attempt}, {"from_step", fromStep}};
}

std::optional<Resumed> Resumed::from(const Event& event)
{
    Resumed to;
    return given(isKind<Resumed>(event) && get(event.fields, "attempt", to.attempt) && get(event.fields, "from_step", to.fromStep), to);
}

Json Forked::fields() const
{
    return {{"run_id", runId}, {"name", name}, {"stage", stage}, {"step", step}};
}

std::optional<Forked> Forked::from(const Event& event)
{
    Forked to;
    const auto& f = event.fields;
    return given(isKind<Forked>(event) && get(f, "run_id", to.runId) && get(f, "name", to.name) && get(f, "stage", to.stage) &&
                     get(f, "step", to.step),
                 to);
}

Json Searched::fields() const
{
    return {{"stage", stage}, {"id", id}, {"chosen", chosen}, {"step", step}, {"seconds", seconds}};
}

std::optional<Searched> Searched::from(const Event& event)
{
    Searched to;
    const auto& f = event.fields;
    return given(isKind<Searched>(event) && get(f, "stage", to.stage) && get(f, "id", to.id) && get(f, "chosen", to.chosen) &&
                     get(f, "step", to.step) && get(f, "seconds", to.seconds),
                 to);
}

Json StageStarted::fields() const
{
    return {{"index", index}, {"id", id}, {"from_step", fromStep}};
}

std::optional<StageStarted> StageStarted::from(const Event& event)
{
    StageStarted to;
    const auto& f = event.fields;
    return given(isKind<StageStarted>(event) && get(f, "index", to.index) && get(f, "id", to.id) && get(f, "from_step", to.fromStep), to);
}

Json CheckpointWritten::fields() const
{
    return {{"step", step}, {"stage", stage}, {"folder", folder}, {"bytes", bytes}, {"because", because}};
}

std::optional<CheckpointWritten> CheckpointWritten::from(const Event& event)
{
    CheckpointWritten to;
    const auto& f = event.fields;
    return given(isKind<CheckpointWritten>(event) && get(f, "step", to.step) && get(f, "stage", to.stage) && get(f, "folder", to.folder) &&
                     get(f, "bytes", to.bytes) && get(f, "because", to.because),
                 to);
}

Json CheckpointRemoved::fields() const
{
    return {{"step", step}, {"folder", folder}, {"because", because}};
}

std::optional<CheckpointRemoved> CheckpointRemoved::from(const Event& event)
{
    CheckpointRemoved to;
    const auto& f = event.fields;
    return given(
        isKind<CheckpointRemoved>(event) && get(f, "step", to.step) && get(f, "folder", to.folder) && get(f, "because", to.because), to);
}

Json SamplesDrawn::fields() const
{
    return {{"step", step},   {"stage", stage},     {"weights", weights}, {"folder", folder},  {"grid", grid},
            {"count", count}, {"columns", columns}, {"recipe", recipe},   {"seconds", seconds}};
}

std::optional<SamplesDrawn> SamplesDrawn::from(const Event& event)
{
    SamplesDrawn to;
    const auto& f = event.fields;
    return given(isKind<SamplesDrawn>(event) && get(f, "step", to.step) && get(f, "stage", to.stage) && get(f, "weights", to.weights) &&
                     get(f, "folder", to.folder) && get(f, "grid", to.grid) && get(f, "count", to.count) && get(f, "columns", to.columns) &&
                     getObject(f, "recipe", to.recipe) && get(f, "seconds", to.seconds),
                 to);
}

Json Evaluated::fields() const
{
    Json json{{"step", step}, {"stage", stage}, {"weights", weights}, {"metric", metric}, {"value", value}};
    if (spread)
        json["spread"] = *spread;
    if (floor)
        json["floor"] = *floor;
    if (ceiling)
        json["ceiling"] = *ceiling;
    json["recipe"] = recipe;
    json["extra"] = extra;
    json["seconds"] = seconds;
    return json;
}

std::optional<Evaluated> Evaluated::from(const Event& event)
{
    Evaluated to;
    const auto& f = event.fields;
    return given(isKind<Evaluated>(event) && get(f, "step", to.step) && get(f, "stage", to.stage) && get(f, "weights", to.weights) &&
                     get(f, "metric", to.metric) && get(f, "value", to.value) && get(f, "spread", to.spread) && get(f, "floor", to.floor) &&
                     get(f, "ceiling", to.ceiling) && getObject(f, "recipe", to.recipe) && getObject(f, "extra", to.extra) &&
                     get(f, "seconds", to.seconds),
                 to);
}

Json Initialised::fields() const
{
    return {{"path", path}, {"weights", weights}, {"sha256", sha256}, {"step", step}, {"model", model}, {"changes", changes}};
}

std::optional<Initialised> Initialised::from(const Event& event)
{
    Initialised to;
    const auto& f = event.fields;
    return given(isKind<Initialised>(event) && get(f, "path", to.path) && get(f, "weights", to.weights) && get(f, "sha256", to.sha256) &&
                     get(f, "step", to.step) && get(f, "model", to.model) && getAny(f, "changes", to.changes),
                 to);
}

Json Warned::fields() const
{
    Json json{{"message", message}};
    if (step >= 0)
        json["step"] = step;
    return json;
}

std::optional<Warned> Warned::from(const Event& event)
{
    Warned to;
    return given(isKind<Warned>(event) && get(event.fields, "message", to.message) && get(event.fields, "step", to.step), to);
}

Json Overridden::fields() const
{
    return {{"path", path}, {"before", before}, {"after", after}, {"forced", forced}};
}

std::optional<Overridden> Overridden::from(const Event& event)
{
    Overridden to;
    const auto& f = event.fields;
    return given(isKind<Overridden>(event) && get(f, "path", to.path) && getAny(f, "before", to.before) && getAny(f, "after", to.after) &&
                     get(f, "forced", to.forced),
                 to);
}

Json WishAnswered::fields() const
{
    Json json{{"id", id}, {"wish", wish}, {"answer", answer}, {"granted", granted}};
    if (step >= 0)
        json["step"] = step;
    return json;
}

std::optional<WishAnswered> WishAnswered::from(const Event& event)
{
    WishAnswered to;
    const auto& f = event.fields;
    return given(isKind<WishAnswered>(event) && get(f, "id", to.id) && get(f, "wish", to.wish) && get(f, "answer", to.answer) &&
                     get(f, "granted", to.granted) && get(f, "step", to.step),
                 to);
}

Json Failed::fields() const
{
    Json json{{"message", message}, {"detail", detail}};
    if (step >= 0)
        json["step"] = step;
    json["checkpoint"] = checkpoint;
    if (rank >= 0)
        json["rank"] = rank;
    json["code"] = code;
    return json;
}

std::optional<Failed> Failed::from(const Event& event)
{
    Failed to;
    const auto& f = event.fields;
    return given(isKind<Failed>(event) && get(f, "message", to.message) && get(f, "detail", to.detail) && get(f, "step", to.step) &&
                     get(f, "checkpoint", to.checkpoint) && get(f, "rank", to.rank) && get(f, "code", to.code),
                 to);
}

std::string eventLine(const Event& event)
{
    Json json{{"time", event.time}, {"kind", event.kind}};
    for (const auto& [key, value] : event.fields.items())
        json[key] = value;
    // Bytes that are no UTF-8 (a file name, a message of the system) must not stop the event.
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<Event> parseEventLine(std::string_view line)
{
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
        line.remove_suffix(1);
    // Deeply nested brackets would exhaust the stack of whoever destroys the value; ours nest a handful.
    int depth = 0;
    for (const char c : line) {
        if (c == '[' || c == '{')
            ++depth;
        else if (c == ']' || c == '}')
            --depth;
        if (depth > 64)
            return std::nullopt;
    }
    auto json = parseJson(line);
    if (!json.is_object())
        return std::nullopt;
    const auto time = json.find("time");
    const auto kind = json.find("kind");
    if (time == json.end() || !time->is_number() || kind == json.end() || !kind->is_string())
        return std::nullopt;
    Event event{time->get<double>(), kind->get<std::string>(), Json::object()};
    for (auto& [key, value] : json.items())
        if (key != "time" && key != "kind")
            event.fields[key] = std::move(value);
    return event;
}

} // namespace espalier::runs
