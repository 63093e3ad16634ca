// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/field.h"

#include <array>
#include <string>

namespace espalier::config {

/// What becomes of tensors that do not fit.
enum class Misfits { Refuse, Skip };
template <>
struct Names<Misfits> {
    static constexpr std::array<std::pair<Misfits, const char*>, 2> kAll{{{Misfits::Refuse, "refuse"}, {Misfits::Skip, "skip"}}};
};

/// Where a run's first weights come from. A run that goes on from a checkpoint of its own no longer looks there.
struct InitConfig { // path "init"
    std::string from;
    std::string weights = "ema";
    Misfits misfits = Misfits::Refuse;
    static void describe(auto& self, auto&& field)
    {
        field("from", self.from,
              "Fine-tune: begin with the weights of a run (its newest checkpoint), a checkpoint folder, a safetensors or PyTorch file; "
              "empty: random ones");
        field("weights", self.weights, "Which weights of it: ema, ema:DECAY such as ema:0.9999, or raw", {.advanced = true});
        field("misfits", self.misfits,
              "Tensors that are missing there, have another shape or belong to no part of the model: refuse them by name, or skip them and "
              "begin anew there",
              {.advanced = true});
    }
};

} // namespace espalier::config
