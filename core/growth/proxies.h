// SPDX-License-Identifier: Apache-2.0
#pragma once

// What AutoProg-Zero judges a candidate by without training it: two scores from gradients of the weights that would train. The network is
// left as it is, in training mode or not: values, what trains, and gradients (none are written). More is better.

#include "core/models/objective.h"
#include "core/plan/search_cost.h"
#include "core/tensors/batch.h"
#include "core/tensors/draws.h"
#include "core/tensors/path.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace espalier::growth {

/// The tangent kernel of a batch as it is (for a diffusion model with its levels `t`): inner products of the gradients of each sample's
/// summed outputs, over all that trains and has "weight" in its name. double [B, B] on the CPU. At most about `mostElements` numbers of
/// gradients are held: a larger network is gone through several times.
at::Tensor tangentKernel(models::Model& model, const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws,
                         std::int64_t mostElements = plan::kMostHeld);
/// Minus its condition number; minus infinity where that is unknown: something is not finite, or the smallest eigenvalue is 0 but for
/// rounding.
double conditionScore(const at::Tensor& kernel);
/// Both.
double ntkScore(models::Model& model, const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws);

/// ZiCo (Li et al. 2023): over modules, the sum of ln of the sum over elements of mean |gradient| / deviation between batches, of those
/// elements that differ. `gradients[m][k]`: of module m in batch k. Minus infinity where something is not finite.
double zicoOf(const std::vector<std::vector<at::Tensor>>& gradients);
/// That of the weights of convolutions and linear layers that train, with the loss of each batch and its draws.
double zicoScore(models::Model& model, models::Objective& objective, std::span<const tensors::Batch> batches, const tensors::Path& path,
                 std::span<const tensors::Draws> draws);

} // namespace espalier::growth
