// SPDX-License-Identifier: Apache-2.0
#include "app/cli/gpu_curves.h"

#include "app/cli/devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace espalier::cli {

namespace {

/// The newest folder of curves; 0 without one.
int newestAttempt(const runs::RunFolder& folder)
{
    int newest = 0;
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder.scalarsFolder(), error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        int attempt = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), attempt).ec == std::errc())
            newest = std::max(newest, attempt);
    }
    return newest;
}

const char* unitOf(const std::string& what)
{
    return what == "load" ? "%" : what == "memory" ? "bytes" : what == "celsius" ? "°C" : "W";
}

} // namespace

GpuMeter::GpuMeter(const std::vector<std::string>& devices)
{
    for (const auto& device : devices) {
        m_uuids.push_back(gpuIdentity(device));
        m_any = m_any || !m_uuids.back().empty();
    }
    if (m_any)
        m_gpus.emplace();
}

std::vector<Json> GpuMeter::read() const
{
    std::vector<Json> all;
    if (!m_gpus)
        return all;
    const auto gpus = m_gpus->read();
    for (const auto& uuid : m_uuids) {
        Json values = Json::object();
        const auto gpu = std::find_if(gpus.begin(), gpus.end(), [&](const auto& each) { return each.uuid == uuid; });
        if (gpu != gpus.end()) {
            values["memory"] = static_cast<double>(gpu->totalBytes - std::min(gpu->freeBytes, gpu->totalBytes));
            if (gpu->utilisationPercent)
                values["load"] = *gpu->utilisationPercent;
            if (gpu->celsius)
                values["celsius"] = *gpu->celsius;
            if (gpu->watts)
                values["watts"] = *gpu->watts;
        }
        all.push_back(std::move(values));
    }
    return all;
}

void GpuCurves::add(const runs::RunFolder& folder, int rank, std::int64_t step, const Json& values)
{
    if (step < 0 || !values.is_object())
        return;
    if (m_attempt == 0)
        m_attempt = newestAttempt(folder); // the worker of rank 0 made it before its first step
    if (m_attempt == 0)
        return;
    for (const auto& [what, value] : values.items()) {
        if (!value.is_number())
            continue;
        const auto tag = fmt::format("gpu/rank_{}/{}", rank, what);
        auto at = m_writers.find(tag);
        if (at == m_writers.end()) {
            auto writer = runs::ScalarWriter::create(folder.scalarsFile(m_attempt, tag), tag, unitOf(what));
            if (!writer)
                return;
            at = m_writers.emplace(tag, *std::move(writer)).first;
        }
        at->second.add({step, runs::wallTime(), value.get<double>()});
        (void)at->second.flush();
    }
}

} // namespace espalier::cli
