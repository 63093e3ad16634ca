// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/models/objective.h"

namespace espalier::training {

/// The cross-entropy of a classifier, -sum_c y_c log softmax(logits)_c, against soft targets where the batch has them and labels otherwise.
class ClassificationObjective final : public models::Objective {
public:
    models::LossTerms operator()(models::Model& model, const tensors::Batch& batch, const tensors::Path& path,
                                 const tensors::Draws& draws) override;

    std::string name() const override { return "classification"; }
    void save(Json&, tensors::TensorMap&) const override {}
    Result<Done> load(const Json&, const tensors::TensorMap&) override { return Done{}; }
};

} // namespace espalier::training
