// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace espalier::machine {

/// An NVIDIA GPU as NVML sees it. What the driver does not tell is empty.
struct Gpu {
    int index = 0;    // of NVML: by PCI bus
    std::string name; // "NVIDIA H100 80GB HBM3"
    std::string uuid; // "GPU-…": stays the same over restarts and whatever CUDA_VISIBLE_DEVICES says
    std::uint64_t totalBytes = 0, freeBytes = 0;
    std::optional<int> utilisationPercent;
    std::optional<int> celsius;
    std::optional<double> watts;
};

/// NVML, opened while the program runs: a machine without NVIDIA's driver has no GPUs, and that is no error. One thread at a time.
class Gpus {
public:
    /// `library` is opened by the loader's rules; tests give another one.
    explicit Gpus(const std::string& library = "libnvidia-ml.so.1");
    ~Gpus();
    Gpus(Gpus&&) noexcept;
    Gpus& operator=(Gpus&&) noexcept;

    bool available() const;
    /// Why there are no GPUs, as one sentence; empty when there are.
    const std::string& reason() const;
    /// "570.86.15"; empty without a driver.
    const std::string& driverVersion() const;
    /// Asks the driver now. A GPU that fell off the bus is left out.
    std::vector<Gpu> read() const;

private:
    struct Library;
    std::unique_ptr<Library> m_library;
    std::string m_reason, m_driverVersion;
};

} // namespace espalier::machine
