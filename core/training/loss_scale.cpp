// SPDX-License-Identifier: Apache-2.0
#include "core/training/loss_scale.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::training {
namespace {

constexpr double kFirst = 65536.0, kGrowth = 2.0, kBackoff = 0.5;
constexpr std::int64_t kGrowthInterval = 2000;

} // namespace

LossScale::LossScale(at::Device device)
    : m_scale(at::full({}, kFirst, at::TensorOptions(device).dtype(at::kFloat))),
      m_goodSteps(at::zeros({}, at::TensorOptions(device).dtype(at::kInt)))
{
}

at::Tensor LossScale::canFall() const
{
    return (m_scale >= 1.0).to(at::kFloat);
}

void LossScale::update(const at::Tensor& foundInf)
{
    at::_amp_update_scale_(m_scale, m_goodSteps, foundInf, kGrowth, kBackoff, kGrowthInterval);
}

void LossScale::takeOver(const LossScale& before)
{
    m_scale.copy_(before.m_scale);
    m_goodSteps.copy_(before.m_goodSteps);
}

void LossScale::save(Json&, tensors::TensorMap& tensors) const
{
    tensors["scale"] = m_scale.clone();
    tensors["good_steps"] = m_goodSteps.clone();
}

Result<Done> LossScale::load(const Json&, const tensors::TensorMap& tensors)
{
    for (auto [name, into] : {std::pair{"scale", &m_scale}, std::pair{"good_steps", &m_goodSteps}}) {
        const auto found = tensors.find(name);
        if (found == tensors.end())
            return Error{
                ErrorCode::Format, fmt::format("This checkpoint lacks the tensor \"loss_scale.{}\". Choose an earlier one.", name), {}};
        if (auto copied = tensors::copyInto(*into, found->second, fmt::format("loss_scale.{}", name), "the checkpoint"); !copied)
            return copied;
    }
    return Done{};
}

} // namespace espalier::training
