// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the fields of an event stand in its line: what describe() of its kind visits to write and to read them.

#include "core/base/json.h"
#include "core/runs/run_state.h"

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

namespace espalier::runs {

enum class Kept {
    Always,
    WhenKnown, // left out while it is negative
    AsItIs,    // JSON of any kind; otherwise an object
};

template <class V>
void putField(Json& line, const char* key, const V& value, Kept kept)
{
    if constexpr (std::same_as<V, RunState>) {
        line[key] = stateText(value);
    } else if constexpr (std::same_as<V, std::optional<double>>) {
        if (value)
            line[key] = *value;
    } else if constexpr (std::signed_integral<V>) {
        if (kept != Kept::WhenKnown || value >= 0)
            line[key] = value;
    } else {
        line[key] = value;
    }
}

// False where the field has a wrong type. One that is missing keeps its value; a state must be there.
bool getField(const Json& line, const char* key, std::string& value, Kept);
bool getField(const Json& line, const char* key, std::int64_t& value, Kept);
bool getField(const Json& line, const char* key, std::uint64_t& value, Kept);
bool getField(const Json& line, const char* key, int& value, Kept);
bool getField(const Json& line, const char* key, double& value, Kept); // null: not a number
bool getField(const Json& line, const char* key, bool& value, Kept);
bool getField(const Json& line, const char* key, std::optional<double>& value, Kept);
bool getField(const Json& line, const char* key, Json& value, Kept kept);
bool getField(const Json& line, const char* key, RunState& value, Kept);

} // namespace espalier::runs
