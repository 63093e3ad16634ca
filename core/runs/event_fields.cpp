// SPDX-License-Identifier: Apache-2.0
#include "core/runs/event_fields.h"

#include <limits>

namespace espalier::runs {
namespace {

/// Where there is a value at `key`, it must be one that `fits`, and is taken.
template <class Fits, class Take>
bool takeAt(const Json& line, const char* key, const Fits& fits, const Take& take)
{
    const auto at = line.find(key);
    if (at == line.end())
        return true;
    if (!fits(*at))
        return false;
    take(*at);
    return true;
}

template <class V, class Fits>
bool copyAt(const Json& line, const char* key, V& value, const Fits& fits)
{
    return takeAt(line, key, fits, [&](const Json& at) { value = at.get<V>(); });
}

} // namespace

bool getField(const Json& line, const char* key, std::string& value, Kept)
{
    return copyAt(line, key, value, [](const Json& at) { return at.is_string(); });
}

bool getField(const Json& line, const char* key, std::int64_t& value, Kept)
{
    return copyAt(line, key, value, [](const Json& at) { return at.is_number_integer(); });
}

bool getField(const Json& line, const char* key, std::uint64_t& value, Kept)
{
    return copyAt(line, key, value, [](const Json& at) { return at.is_number_integer() && at.get<std::int64_t>() >= 0; });
}

bool getField(const Json& line, const char* key, int& value, Kept)
{
    return copyAt(line, key, value, [](const Json& at) {
        return at.is_number_integer() && at.get<std::int64_t>() >= std::numeric_limits<int>::min() &&
               at.get<std::int64_t>() <= std::numeric_limits<int>::max();
    });
}

bool getField(const Json& line, const char* key, double& value, Kept)
{
    return takeAt(
        line, key, [](const Json& at) { return at.is_number() || at.is_null(); },
        [&](const Json& at) { value = at.is_null() ? std::numeric_limits<double>::quiet_NaN() : at.get<double>(); });
}

bool getField(const Json& line, const char* key, bool& value, Kept)
{
    return copyAt(line, key, value, [](const Json& at) { return at.is_boolean(); });
}

bool getField(const Json& line, const char* key, std::optional<double>& value, Kept)
{
    return takeAt(
        line, key, [](const Json& at) { return at.is_number() || at.is_null(); },
        [&](const Json& at) { value = at.is_null() ? value : at.get<double>(); });
}

bool getField(const Json& line, const char* key, Json& value, Kept kept)
{
    return takeAt(
        line, key, [&](const Json& at) { return kept == Kept::AsItIs || at.is_object() || at.is_null(); },
        [&](const Json& at) { value = kept != Kept::AsItIs && at.is_null() ? value : at; });
}

bool getField(const Json& line, const char* key, RunState& value, Kept)
{
    const auto at = line.find(key);
    const auto state = at != line.end() && at->is_string() ? stateFromText(at->get<std::string>()) : std::nullopt;
    value = state.value_or(value);
    return state.has_value();
}

} // namespace espalier::runs
