// SPDX-License-Identifier: Apache-2.0
#include "core/training/ema.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace espalier::training {

double emaDecayAt(double decay, bool ramp, std::int64_t n)
{
    return ramp ? std::min(decay, (1.0 + static_cast<double>(n)) / (10.0 + static_cast<double>(n))) : decay;
}

std::vector<tensors::Slot*> movingSlots(std::vector<tensors::Slot>& slots)
{
    std::vector<tensors::Slot*> moving;
    for (auto& slot : slots) {
        const auto value = slot.value.detach();
        if (slot.value.requires_grad() ||
            !std::all_of(slot.ema.begin(), slot.ema.end(), [&](const auto& each) { return each.equal(value); }))
            moving.push_back(&slot);
    }
    return moving;
}

void updateEma(const std::vector<tensors::Slot*>& slots, const std::vector<double>& decays, bool ramp, std::int64_t n,
               const at::Tensor& keep)
{
    const at::NoGradGuard noGrad;
    if (slots.empty())
        return;
    std::vector<at::Tensor> values;
    values.reserve(slots.size());
    for (const auto* slot : slots)
        values.push_back(slot->value.detach());
    for (std::size_t k = 0; k < decays.size(); ++k) {
        std::vector<at::Tensor> averages;
        averages.reserve(slots.size());
        for (const auto* slot : slots)
            averages.push_back(slot->ema[k]);
        const double weight = 1.0 - emaDecayAt(decays[k], ramp, n);
        if (!keep.is_cuda()) {
            if (keep.item<float>() != 0.0f) // no device to wait for
                at::_foreach_lerp_(averages, values, weight);
        } else {
            auto difference = at::_foreach_sub(values, averages);
            at::_foreach_mul_(difference, keep * weight);
            at::_foreach_add_(averages, difference);
        }
    }
}

} // namespace espalier::training
