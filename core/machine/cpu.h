// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/machine/system_files.h"

#include <string>
#include <vector>

namespace espalier::machine {

struct Cpu {
    std::string model;                 // "Intel(R) Xeon(R) Processor"; empty: not known
    int cores = 1;                     // that this process may use: affinity and control groups counted, at least 1
    int machineCores = 1;              // that the machine has online
    std::vector<std::string> features; // those that training profits from, of: avx2, fma, avx512f, avx512_bf16, avx512_fp16, amx_bf16, …
    bool has(std::string_view feature) const;
    /// Whether bf16 multiplies in hardware; without, bf16 autocast is slower than fp32.
    bool fastBf16() const;
};
Cpu cpu(const SystemFiles& files = {});

} // namespace espalier::machine
