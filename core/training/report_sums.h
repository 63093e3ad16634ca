// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/tensors/state.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace espalier::training {

/// Means over one reporting interval, and what the guard against non-finite numbers saw.
struct Report {
    double loss = 0.0, gradientNorm = 0.0; // means over good steps; NaN when there was none
    std::int64_t goodSteps = 0, badSteps = 0;
    std::int64_t firstBadStep = -1; // of the interval
};

/// Sums on the device; the host reads them once per interval. Part of the state, so that a run resumed inside an interval reports the
/// same numbers.
class ReportSums final : public tensors::StatePart {
public:
    explicit ReportSums(at::Device device);

    /// Adds a step: `loss`, `norm`, `good` and `bad` (1 or 0; both are 0 of a step that was skipped with good reason) are float32 scalars
    /// on the device. Waits for nothing.
    void add(const at::Tensor& loss, const at::Tensor& norm, const at::Tensor& good, const at::Tensor& bad, const at::Tensor& step);
    /// Reads and clears the sums. Waits for the device.
    Report take();
    /// Steps skipped since the last take. Waits for the device.
    std::int64_t badSteps() const;

    std::string name() const override { return "report"; }
    void save(Json& json, tensors::TensorMap& tensors) const override;
    Result<Done> load(const Json& json, const tensors::TensorMap& tensors) override;

private:
    at::Tensor m_sums; // float64 [5]: loss, norm, good, bad, first bad step + 1
};

} // namespace espalier::training
