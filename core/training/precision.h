// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/training_config.h"

#include <ATen/autocast_mode.h>

namespace espalier::training {

/// Runs what follows in the arithmetic of `precision` until the scope ends. Backward belongs outside; gradients of fp32 weights are fp32.
class PrecisionScope {
public:
    PrecisionScope(config::Precision precision, at::DeviceType device)
        : m_active(precision != config::Precision::Fp32), m_device(device), m_wasEnabled(at::autocast::is_autocast_enabled(device)),
          m_wasType(at::autocast::get_autocast_dtype(device))
    {
        if (!m_active)
            return;
        at::autocast::set_autocast_enabled(m_device, true);
        at::autocast::set_autocast_dtype(m_device, precision == config::Precision::Bf16 ? at::kBFloat16 : at::kHalf);
        at::autocast::increment_nesting();
    }
    ~PrecisionScope()
    {
        if (!m_active)
            return;
        // Copies of weights cached by autocast would outlive the optimizer step that changes the weights.
        if (at::autocast::decrement_nesting() == 0)
            at::autocast::clear_cache();
        at::autocast::set_autocast_enabled(m_device, m_wasEnabled);
        at::autocast::set_autocast_dtype(m_device, m_wasType);
    }
    PrecisionScope(const PrecisionScope&) = delete;
    PrecisionScope& operator=(const PrecisionScope&) = delete;

private:
    bool m_active;
    at::DeviceType m_device;
    bool m_wasEnabled;
    at::ScalarType m_wasType;
};

} // namespace espalier::training
