// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"

#include <optional>
#include <string>
#include <vector>

namespace espalier::config {

/// Whether a setting may differ when a run is resumed.
enum class Change { Never, AtResume };

/// One setting as everything but the trainer sees it: JSON, flags, the form, the reference page, the difference of two runs.
struct Field {
    std::string path;                 // "training.learning_rate"; settings of an alternative: "model[unet].drop_rate"
    std::string help;                 // one line
    std::string unit;                 // "steps", "images", "s"; empty if none
    Json def;                         // default; its JSON type is the type of the setting
    Json min, max;                    // null: unbounded; of a list: bounds of each element
    std::vector<std::string> choices; // of an enumeration, else empty
    bool advanced = false;
    Change change = Change::Never;
    Json element{}; // of a list: an element, for its type
};

/// What describe() may say about a field beyond its name, value and help.
struct Spec {
    std::optional<double> min, max;
    const char* unit = "";
    bool advanced = false;
    Change change = Change::Never;
    bool unwrittenEmpty = false; // of a list: where it is empty, a written configuration does not have it
};

/// Enumerations name their values once: specialise with `static constexpr std::array<std::pair<E, const char*>, N> kAll`.
template <class E>
struct Names;

/// A struct with `static void describe(auto& self, auto&& field)`.
template <class T>
concept Described = requires(T& t) { T::describe(t, [](auto&&...) {}); };

} // namespace espalier::config
