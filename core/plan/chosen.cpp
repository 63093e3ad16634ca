// SPDX-License-Identifier: Apache-2.0
#include "core/plan/chosen.h"

#include "core/plan/chain.h"
#include "core/plan/stage_config.h"

#include <algorithm>

namespace espalier::plan {

const Candidate* chosenOf(const Stage& stage)
{
    if (stage.role != Stage::Role::Train)
        return nullptr;
    const auto found = std::ranges::find_if(stage.window, [&](const Candidate& candidate) {
        const bool same = candidate.keepBlock.empty() ? candidate.trainable == stage.trainable
                                                      : std::ranges::count(candidate.keepBlock, true) == depthOf(stage.shape.model);
        return same && sideOf(stage, candidate) == sideOf(stage);
    });
    return found == stage.window.end() ? nullptr : &*found;
}

} // namespace espalier::plan
