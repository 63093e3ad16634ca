// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"

#include <c10/core/Device.h>

#include <string>

namespace espalier::tensors {

/// What the bits of a training depend on besides its configuration. Equal fingerprints resume exactly; others agree to rounding.
struct Fingerprint {
    std::string device;         // "cpu", or "cuda" and the name of the GPU
    int worldSize = 1;          // ranks
    int threads = 1;            // CPU threads of a rank
    std::string instructionSet; // what LibTorch chose: "AVX2", "AVX512", …
    std::string libtorch;       // its version
    std::string build;          // build id of the program
    std::string memoryFormat;   // "contiguous" or "channels_last"

    /// The fingerprint of this process.
    static Fingerprint here(const c10::Device& device, int worldSize, const std::string& memoryFormat);

    /// The first thing that differs, as "threads (2 then, 1 now)"; empty when nothing does. `this` was then.
    std::string difference(const Fingerprint& now) const;

    Json toJson() const;
    static Result<Fingerprint> fromJson(const Json& json, const std::string& file);
};

} // namespace espalier::tensors
