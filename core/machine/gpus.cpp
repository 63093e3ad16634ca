// SPDX-License-Identifier: Apache-2.0
#include "core/machine/gpus.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace espalier::machine {

namespace {

// The ten functions we use, as NVML's reference documents them. Its header is not needed to build.
using Device = struct nvmlDevice_st*;
using Status = int;
constexpr Status kSuccess = 0;
struct MemoryInfo {
    unsigned long long total, free, used;
};
struct Utilisation {
    unsigned int gpu, memory; // percent
};
constexpr int kTemperatureOfGpu = 0;

std::string explain(Status status, const char* (*errorString)(Status))
{
    constexpr Status kDriverNotLoaded = 9, kNoPermission = 4, kMismatch = 18;
    if (status == kDriverNotLoaded)
        return "No GPU can be used: NVIDIA's driver is installed but not loaded. Load it (modprobe nvidia) or restart the machine.";
    if (status == kNoPermission)
        return "No GPU can be used: this user may not talk to NVIDIA's driver. Ask for access to /dev/nvidia*.";
    if (status == kMismatch)
        return "No GPU can be used: NVIDIA's driver and its library have different versions, as after an update. Restart the machine.";
    const char* text = errorString ? errorString(status) : nullptr;
    return fmt::format("No GPU can be used: NVIDIA's driver answered \"{}\".", text ? text : fmt::format("error {}", status));
}

} // namespace

struct Gpus::Library {
    void* handle = nullptr;
    bool initialised = false;
    Status (*init)() = nullptr;
    Status (*shutdown)() = nullptr;
    const char* (*errorString)(Status) = nullptr;
    Status (*driverVersion)(char*, unsigned) = nullptr;
    Status (*count)(unsigned*) = nullptr;
    Status (*byIndex)(unsigned, Device*) = nullptr;
    Status (*name)(Device, char*, unsigned) = nullptr;
    Status (*uuid)(Device, char*, unsigned) = nullptr;
    Status (*memory)(Device, MemoryInfo*) = nullptr;
    Status (*utilisation)(Device, Utilisation*) = nullptr;
    Status (*temperature)(Device, int, unsigned*) = nullptr;
    Status (*power)(Device, unsigned*) = nullptr;

    template <class F>
    bool find(F& function, const char* symbol)
    {
        function = reinterpret_cast<F>(dlsym(handle, symbol));
        return function != nullptr;
    }
    bool findAll()
    {
        find(errorString, "nvmlErrorString"); // the first and the last three are only nice to have
        find(utilisation, "nvmlDeviceGetUtilizationRates");
        find(temperature, "nvmlDeviceGetTemperature");
        find(power, "nvmlDeviceGetPowerUsage");
        return find(init, "nvmlInit_v2") && find(shutdown, "nvmlShutdown") && find(driverVersion, "nvmlSystemGetDriverVersion") &&
               find(count, "nvmlDeviceGetCount_v2") && find(byIndex, "nvmlDeviceGetHandleByIndex_v2") && find(name, "nvmlDeviceGetName") &&
               find(uuid, "nvmlDeviceGetUUID") && find(memory, "nvmlDeviceGetMemoryInfo");
    }
    ~Library()
    {
        if (initialised)
            shutdown();
        if (handle)
            dlclose(handle);
    }
};

Gpus::Gpus(const std::string& library) : m_library(std::make_unique<Library>())
{
    m_library->handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!m_library->handle) {
        m_reason = "No GPU can be used: NVIDIA's driver is not installed on this machine.";
        return;
    }
    if (!m_library->findAll()) {
        m_reason = "No GPU can be used: NVIDIA's driver is too old. Install a newer one.";
        return;
    }
    if (const auto status = m_library->init(); status != kSuccess) {
        m_reason = explain(status, m_library->errorString);
        return;
    }
    m_library->initialised = true;
    char version[96] = {};
    if (m_library->driverVersion(version, sizeof version - 1) == kSuccess)
        m_driverVersion = version;
    unsigned count = 0;
    if (const auto status = m_library->count(&count); status != kSuccess)
        m_reason = explain(status, m_library->errorString);
    else if (count == 0)
        m_reason = "NVIDIA's driver is there, but it has no GPU.";
}

Gpus::~Gpus() = default;
Gpus::Gpus(Gpus&&) noexcept = default;
Gpus& Gpus::operator=(Gpus&&) noexcept = default;

bool Gpus::available() const
{
    return m_reason.empty();
}

const std::string& Gpus::reason() const
{
    return m_reason;
}

const std::string& Gpus::driverVersion() const
{
    return m_driverVersion;
}

std::vector<Gpu> Gpus::read() const
{
    std::vector<Gpu> gpus;
    unsigned count = 0;
    if (!m_library || !m_library->initialised || m_library->count(&count) != kSuccess)
        return gpus;
    for (unsigned i = 0; i < count && i < 1024; ++i) {
        Device device = nullptr;
        char name[97] = {}, uuid[97] = {};
        MemoryInfo memory{};
        if (m_library->byIndex(i, &device) != kSuccess || m_library->uuid(device, uuid, sizeof uuid - 1) != kSuccess)
            continue;
        Gpu gpu;
        gpu.index = static_cast<int>(i);
        gpu.uuid = uuid;
        if (m_library->name(device, name, sizeof name - 1) == kSuccess)
            gpu.name = name;
        if (m_library->memory(device, &memory) == kSuccess) {
            gpu.totalBytes = memory.total;
            gpu.freeBytes = memory.free;
        }
        Utilisation utilisation{};
        if (m_library->utilisation && m_library->utilisation(device, &utilisation) == kSuccess)
            gpu.utilisationPercent = static_cast<int>(utilisation.gpu);
        unsigned value = 0;
        if (m_library->temperature && m_library->temperature(device, kTemperatureOfGpu, &value) == kSuccess)
            gpu.celsius = static_cast<int>(value);
        if (m_library->power && m_library->power(device, &value) == kSuccess)
            gpu.watts = value / 1000.0; // milliwatts
        gpus.push_back(std::move(gpu));
    }
    return gpus;
}

} // namespace espalier::machine
