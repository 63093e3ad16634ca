// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/chain.h"

namespace espalier::plan {

/// The whole model, from the start, in one stage.
class PlainStrategy final : public ChainStrategy {
public:
    using ChainStrategy::ChainStrategy;

private:
    Result<std::vector<Stage>> stages() const override { return std::vector<Stage>{whole()}; }
    const char* kind() const override { return "plain"; }
};

} // namespace espalier::plan
