// SPDX-License-Identifier: Apache-2.0
// Stands in for NVIDIA's library: FAKE_NVML_GPUS (2) GPUs, the second without a power sensor; FAKE_NVML_NAME is the name of all of them.
// FAKE_NVML_INIT makes the start fail with that status.
#include <cstdio>
#include <cstdlib>

namespace {

struct FakeGpu {
    const char* name;
    const char* uuid;
    unsigned long long freeGib;
    unsigned load, celsius, milliwatts; // 0: no sensor
};
FakeGpu g_gpus[8] = {{"Fake A", "GPU-a", 79, 97, 64, 312500},  {"Fake B", "GPU-b", 79, 40, 64, 0},
                     {"Fake C", "GPU-c", 19, 100, 71, 645000}, {"Fake D", "GPU-d", 80, 0, 38, 71000},
                     {"Fake E", "GPU-e", 41, 88, 66, 540000},  {"Fake F", "GPU-f", 41, 93, 67, 552000},
                     {"Fake G", "GPU-g", 41, 91, 69, 549000},  {"Fake H", "GPU-h", 80, 0, 37, 70000}};

const FakeGpu& gpuOf(const void* device)
{
    return *static_cast<const FakeGpu*>(device);
}

} // namespace

extern "C" {

int nvmlInit_v2()
{
    const char* status = std::getenv("FAKE_NVML_INIT");
    return status ? std::atoi(status) : 0;
}
int nvmlShutdown()
{
    return 0;
}
const char* nvmlErrorString(int)
{
    return "Unknown Error";
}
int nvmlSystemGetDriverVersion(char* text, unsigned length)
{
    std::snprintf(text, length, "570.1");
    return 0;
}
int nvmlDeviceGetCount_v2(unsigned* count)
{
    const char* given = std::getenv("FAKE_NVML_GPUS");
    const int wanted = given ? std::atoi(given) : 2;
    *count = static_cast<unsigned>(wanted < 0 ? 0 : wanted > 8 ? 8 : wanted);
    return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device)
{
    *device = &g_gpus[index % 8];
    return 0;
}
int nvmlDeviceGetName(void* device, char* text, unsigned length)
{
    const char* given = std::getenv("FAKE_NVML_NAME");
    std::snprintf(text, length, "%s", given ? given : gpuOf(device).name);
    return 0;
}
int nvmlDeviceGetUUID(void* device, char* text, unsigned length)
{
    std::snprintf(text, length, "%s", gpuOf(device).uuid);
    return 0;
}
int nvmlDeviceGetMemoryInfo(void* device, unsigned long long* memory)
{
    memory[0] = 80ull << 30;
    memory[1] = gpuOf(device).freeGib << 30;
    memory[2] = memory[0] - memory[1];
    return 0;
}
int nvmlDeviceGetUtilizationRates(void* device, unsigned* rates)
{
    rates[0] = gpuOf(device).load;
    rates[1] = 40;
    return 0;
}
int nvmlDeviceGetTemperature(void* device, int, unsigned* celsius)
{
    *celsius = gpuOf(device).celsius;
    return 0;
}
int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts)
{
    *milliwatts = gpuOf(device).milliwatts;
    return *milliwatts > 0 ? 0 : 3;
}
}
