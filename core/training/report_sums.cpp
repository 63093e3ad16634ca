// SPDX-License-Identifier: Apache-2.0
#include "core/training/report_sums.h"

#include <ATen/ATen.h>

#include <limits>

namespace espalier::training {

ReportSums::ReportSums(at::Device device) : m_sums(at::zeros({5}, at::TensorOptions(device).dtype(at::kDouble))) {}

void ReportSums::add(const at::Tensor& loss, const at::Tensor& norm, const at::Tensor& good, const at::Tensor& bad, const at::Tensor& step)
{
    const at::NoGradGuard noGrad;
    const auto ok = good > 0.5;
    const auto zero = at::zeros_like(loss);
    const auto firstBad = at::where((bad < 0.5).logical_or(m_sums[4] > 0), m_sums[4], step.to(at::kDouble) + 1);
    m_sums.narrow(0, 0, 4).add_(at::stack({at::where(ok, loss, zero), at::where(ok, norm, zero), good, bad}).to(at::kDouble));
    m_sums[4].copy_(firstBad);
}

Report ReportSums::take()
{
    const auto host = m_sums.cpu();
    const auto* sum = host.data_ptr<double>();
    Report report;
    report.goodSteps = static_cast<std::int64_t>(sum[2]);
    report.badSteps = static_cast<std::int64_t>(sum[3]);
    report.firstBadStep = static_cast<std::int64_t>(sum[4]) - 1;
    report.loss = sum[2] > 0 ? sum[0] / sum[2] : std::numeric_limits<double>::quiet_NaN();
    report.gradientNorm = sum[2] > 0 ? sum[1] / sum[2] : std::numeric_limits<double>::quiet_NaN();
    m_sums.zero_();
    return report;
}

std::int64_t ReportSums::badSteps() const
{
    return static_cast<std::int64_t>(m_sums[3].item<double>());
}

void ReportSums::save(Json&, tensors::TensorMap& tensors) const
{
    tensors["sums"] = m_sums.clone();
}

Result<Done> ReportSums::load(const Json&, const tensors::TensorMap& tensors)
{
    const auto found = tensors.find("sums");
    if (found == tensors.end())
        return Error{ErrorCode::Format, "This checkpoint lacks the tensor \"report.sums\". Choose an earlier one."};
    return tensors::copyInto(m_sums, found->second, "report.sums", "the checkpoint");
}

} // namespace espalier::training
