// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/diffusion_config.h"
#include "core/diffusion/weighting.h"
#include "core/models/objective.h"

#include <optional>

namespace espalier::diffusion {

/// The diffusion loss: level and noise of every sample from the draws, the network's output against its target.
class DiffusionObjective : public models::Objective {
public:
    /// `strict`: weights as published, otherwise rescaled to a mean of 1 (weighting.h).
    explicit DiffusionObjective(const config::DiffusionConfig& config, bool strict = false);

    models::LossTerms operator()(models::Model& model, const tensors::Batch& batch, const tensors::Path& path,
                                 const tensors::Draws& draws) override;
    /// The same with given levels [B] and noise.
    models::LossTerms with(models::Model& model, const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws,
                           const at::Tensor& t, const at::Tensor& noise);

    std::string name() const override { return "diffusion"; }
    void save(Json&, tensors::TensorMap&) const override {}
    Result<Done> load(const Json&, const tensors::TensorMap&) override { return Done{}; }

    const Process& process() const { return m_process; }

private:
    Process m_process;
    config::LossType m_lossType;
    std::optional<Lookup> m_weights;
};

} // namespace espalier::diffusion
