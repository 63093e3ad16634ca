// SPDX-License-Identifier: Apache-2.0
#pragma once

// One training on one rank and on several.

#include "tests/core/training/tiny_run.h"
#include "tests/support/ranks.h"

namespace espalier::training {

class RanksRun : public TinyRun {
protected:
    // Adam turns gradients that are zero in theory into noise, so plain gradient descent is compared. Dropout stays on: draws are the same.
    void expectTheSame(config::RunConfig config)
    {
        config.training.optimizer = config::OptimizerKind::Sgd;
        config.training.learningRate = 0.05;
        config.training.momentum = 0.0;
        config.training.gradNorm = 0.0;
        const auto one = makeRun("one", config);
        ASSERT_TRUE(train(one, config));
        const auto reference = *tensors::readWeights(one.checkpointFolder(3), "raw");
        for (const int world : {2, 3}) {
            const auto folder = makeRun("ranks" + std::to_string(world), config);
            tests::onRanks(world, [&](std::shared_ptr<parallel::ProcessGroup> group) -> std::string {
                at::set_num_threads(1);
                const auto ended = train(folder, config, group);
                return ended ? "" : ended.error().message + " " + ended.error().detail;
            });
            const auto weights = tensors::readWeights(folder.checkpointFolder(3), "raw");
            ASSERT_TRUE(weights) << weights.error().message;
            for (const auto& [name, value] : reference) // float sums in another order
                EXPECT_TRUE(at::allclose(value, weights->at(name), 1e-4, 1e-6)) << name << " on " << world << " ranks";
        }
    }
};

} // namespace espalier::training
