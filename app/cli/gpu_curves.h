// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/machine/gpus.h"
#include "core/runs/run_folder.h"
#include "core/runs/scalars.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace espalier::cli {

/// Reads how the GPUs fare that a supervisor's workers use. Without NVIDIA's driver it has nothing to say.
class GpuMeter {
public:
    /// `devices` of the workers, in their order: "cuda:0".
    explicit GpuMeter(const std::vector<std::string>& devices);
    bool any() const { return m_any; }
    /// Of each worker: {"load": per cent, "memory": bytes in use, "celsius", "watts"}, as far as the driver tells.
    std::vector<Json> read() const;

private:
    std::vector<std::string> m_uuids;
    bool m_any = false;
    std::optional<machine::Gpus> m_gpus;
};

/// The pen of the curves gpu/rank_<r>/… of one attempt.
class GpuCurves {
public:
    /// A full disk must not end a run: what cannot be written is left out.
    void add(const runs::RunFolder& folder, int rank, std::int64_t step, const Json& values);

private:
    int m_attempt = 0;
    std::map<std::string, runs::ScalarWriter> m_writers;
};

} // namespace espalier::cli
