// SPDX-License-Identifier: Apache-2.0
// Stands in for NVIDIA's library: two GPUs, the second without a power sensor; FAKE_NVML_INIT makes the start fail with that status.
#include <cstdio>
#include <cstdlib>

namespace {
int g_first, g_second;
bool isFirst(void* device)
{
    return device == &g_first;
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
    *count = 2;
    return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device)
{
    *device = index == 0 ? &g_first : &g_second;
    return 0;
}
int nvmlDeviceGetName(void* device, char* text, unsigned length)
{
    std::snprintf(text, length, isFirst(device) ? "Fake A" : "Fake B");
    return 0;
}
int nvmlDeviceGetUUID(void* device, char* text, unsigned length)
{
    std::snprintf(text, length, isFirst(device) ? "GPU-a" : "GPU-b");
    return 0;
}
int nvmlDeviceGetMemoryInfo(void*, unsigned long long* memory)
{
    memory[0] = 80ull << 30;
    memory[1] = 79ull << 30;
    memory[2] = 1ull << 30;
    return 0;
}
int nvmlDeviceGetUtilizationRates(void*, unsigned* rates)
{
    rates[0] = 97;
    rates[1] = 40;
    return 0;
}
int nvmlDeviceGetTemperature(void*, int, unsigned* celsius)
{
    *celsius = 64;
    return 0;
}
int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts)
{
    *milliwatts = 312500;
    return isFirst(device) ? 0 : 3;
}
}
