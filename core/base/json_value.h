// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"

#include <concepts>
#include <string>
#include <utility>

namespace espalier {

/// The value of a key where it is of that type (text, whole number, number), else `otherwise`: for JSON that may come from anybody.
template <class T>
T valueOr(const Json& object, const char* key, T otherwise)
{
    const auto at = object.is_object() ? object.find(key) : object.end();
    if (at == object.end())
        return otherwise;
    bool fits = false;
    if constexpr (std::same_as<T, std::string>)
        fits = at->is_string();
    else if constexpr (std::floating_point<T>)
        fits = at->is_number();
    else
        fits = at->is_number_integer();
    return fits ? at->template get<T>() : std::move(otherwise);
}

/// The same of a key within a group of keys.
template <class T>
T valueOr(const Json& object, const char* group, const char* key, T otherwise)
{
    const auto at = object.is_object() ? object.find(group) : object.end();
    return at == object.end() ? std::move(otherwise) : valueOr<T>(*at, key, std::move(otherwise));
}

/// Text, or none.
inline std::string textAt(const Json& object, const char* key)
{
    return valueOr<std::string>(object, key, {});
}

} // namespace espalier
