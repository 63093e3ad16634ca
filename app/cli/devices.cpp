// SPDX-License-Identifier: Apache-2.0
#include "app/cli/devices.h"

#include "core/config/devices.h"
#include "core/machine/gpus.h"

#include <fmt/format.h>

namespace espalier::cli {

int gpuCount()
{
    static const int count = static_cast<int>(machine::Gpus().read().size());
    return count;
}

namespace {

Error noSuchGpu(int index)
{
    const int count = gpuCount();
    return {ErrorCode::Usage,
            count == 0
                ? fmt::format("devices: there is no GPU {} on this machine, or its driver is not loaded. Use --devices cpu; espalier-cli "
                              "doctor says more.",
                              index)
                : fmt::format("devices: there is no GPU {}; this machine has {} (0 to {}).", index, count, count - 1),
            "devices"};
}

} // namespace

Result<std::vector<std::string>> devicesFor(std::string_view setting)
{
    const auto ask = config::parseDevices(setting);
    if (!ask)
        return ask.error();
    std::vector<std::string> devices;
    if (ask->kind == config::DeviceKind::Cpu || (ask->kind == config::DeviceKind::Auto && gpuCount() == 0)) {
        devices.assign(static_cast<std::size_t>(ask->count), "cpu");
        return devices;
    }
    if (ask->kind == config::DeviceKind::Auto)
        return std::vector<std::string>{"cuda:0"};
    for (const int index : ask->indices) {
        if (index >= gpuCount())
            return noSuchGpu(index);
        devices.push_back(fmt::format("cuda:{}", index));
    }
    return devices;
}

Result<std::string> deviceForRank(std::string_view setting, const runs::Ranks& ranks)
{
    const auto ask = config::parseDevices(setting);
    if (!ask)
        return ask.error();
    if (ask->kind == config::DeviceKind::Cpu || (ask->kind == config::DeviceKind::Auto && gpuCount() == 0))
        return std::string("cpu");
    int index = ranks.localRank;
    if (ask->kind == config::DeviceKind::Gpu) {
        if (ranks.localRank >= ask->count)
            return Error{ErrorCode::Usage,
                         fmt::format("devices names {} GPUs, but this is local rank {}. Name one for each rank, or use auto.", ask->count,
                                     ranks.localRank),
                         "devices"};
        index = ask->indices[static_cast<std::size_t>(ranks.localRank)];
    }
    if (index >= gpuCount())
        return noSuchGpu(index);
    return fmt::format("cuda:{}", index);
}

} // namespace espalier::cli
