// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/formats/pickle.h"

#include <optional>

namespace espalier::formats {

/// Turns what a pickle holds beside containers and tensors into JSON. One object for a whole pickle: it counts the bytes it gives out,
/// since a text that stands in the pickle once may be referred to a million times.
class PlainValues {
public:
    /// Nothing when more is given out than any checkpoint holds.
    std::optional<Json> of(const Pickle& pickle, const PickleValue& value);
    /// A key as text: "7" for the number, "(t, 1)" for a tuple.
    std::string keyOf(const Pickle& pickle, const PickleValue& value);

private:
    Json call(const Pickle& pickle, const PickleValue& value);
    std::string text(std::string_view bytes);
    std::size_t m_given = 0;
};

} // namespace espalier::formats
