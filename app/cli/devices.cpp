// SPDX-License-Identifier: Apache-2.0
#include "app/cli/devices.h"

#include "core/config/devices.h"
#include "core/machine/gpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace espalier::cli {

namespace {

/// What a worker may use, in the order in which it counts them: UUIDs, or "" where only their number is known.
const std::vector<std::string>& visibleGpus()
{
    static const auto visible = [] {
        std::vector<std::string> all, some;
        for (auto& gpu : machine::Gpus().read())
            all.push_back(std::move(gpu.uuid));
        const char* given = std::getenv("CUDA_VISIBLE_DEVICES");
        if (!given)
            return all;
        const std::string_view list(given);
        for (std::size_t begin = 0; begin < list.size();) {
            const auto end = std::min(list.find(',', begin), list.size());
            const auto part = list.substr(begin, end - begin);
            begin = end + 1;
            if (part.empty() || part.front() == '-')
                break;
            std::size_t index = 0;
            if (const auto [last, why] = std::from_chars(part.data(), part.data() + part.size(), index);
                why == std::errc() && last == part.data() + part.size()) {
                if (index >= all.size())
                    break; // CUDA hides it and what follows
                some.push_back(all[index]);
            } else {
                const auto found = std::find_if(all.begin(), all.end(), [&](const auto& uuid) { return uuid.starts_with(part); });
                some.push_back(found == all.end() ? std::string() : *found); // a slice of a GPU, for example
            }
        }
        if (all.empty())
            some.clear();
        return some;
    }();
    return visible;
}

} // namespace

int gpuCount()
{
    return static_cast<int>(visibleGpus().size());
}

std::string gpuIdentity(std::string_view device)
{
    std::size_t index = 0;
    if (!device.starts_with("cuda:") || std::from_chars(device.data() + 5, device.data() + device.size(), index).ec != std::errc())
        return "";
    return index < visibleGpus().size() ? visibleGpus()[index] : "";
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

Result<std::string> deviceForRank(std::string_view setting, const runs::Rendezvous& place)
{
    const auto ask = config::parseDevices(setting);
    if (!ask)
        return ask.error();
    if (ask->kind == config::DeviceKind::Cpu || (ask->kind == config::DeviceKind::Auto && gpuCount() == 0))
        return std::string("cpu");
    int index = place.localRank;
    if (ask->kind == config::DeviceKind::Auto && gpuCount() == 1 && std::getenv("CUDA_VISIBLE_DEVICES"))
        index = 0; // the launcher gave each rank a GPU of its own
    if (ask->kind == config::DeviceKind::Gpu) {
        if (place.localRank >= ask->count)
            return Error{ErrorCode::Usage,
                         fmt::format("devices names {} GPUs, but this is local rank {}. Name one for each rank, or use auto.", ask->count,
                                     place.localRank),
                         "devices"};
        index = ask->indices[static_cast<std::size_t>(place.localRank)];
    }
    if (index >= gpuCount())
        return noSuchGpu(index);
    return fmt::format("cuda:{}", index);
}

} // namespace espalier::cli
