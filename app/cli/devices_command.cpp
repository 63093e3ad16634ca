// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "core/base/text.h"
#include "core/machine/cpu.h"
#include "core/machine/gpus.h"
#include "core/machine/memory.h"
#include "core/runs/device_locks.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace espalier::cli {

namespace {

template <class T>
Json orNull(const std::optional<T>& value)
{
    return value ? Json(*value) : Json();
}

/// ", used by dit-a"
std::string useText(const runs::DeviceUse& use)
{
    if (!use.inUse)
        return "";
    std::string names;
    for (const auto& run : use.runs)
        names += (names.empty() ? "" : ", ") + run.filename().string();
    return names.empty() ? ", a run uses it" : ", used by " + names;
}

Json runsOf(const runs::DeviceUse& use)
{
    Json runs = Json::array();
    for (const auto& run : use.runs)
        runs.push_back(run.string());
    return runs;
}

std::string gpuLine(const machine::Gpu& gpu, const runs::DeviceUse& use)
{
    auto text = fmt::format("{:<4} {:<28} {} free of {}", gpu.index, gpu.name, bytesText(gpu.freeBytes), bytesText(gpu.totalBytes));
    if (gpu.utilisationPercent)
        text += fmt::format(", {} % load", *gpu.utilisationPercent);
    if (gpu.celsius)
        text += fmt::format(", {} °C", *gpu.celsius);
    if (gpu.watts)
        text += fmt::format(", {:.0f} W", *gpu.watts);
    return text + useText(use);
}

int listDevices(Console& console)
{
    const auto cpu = machine::cpu();
    const auto memory = machine::hostMemory();
    const machine::Gpus gpus;
    const auto cpuUse = runs::useOf("cpu");
    Json list = Json::array();
    auto text = fmt::format("{:<4} {:<28} {} cores, {} free of {}{}", "cpu", cpu.model.empty() ? "processor" : cpu.model, cpu.cores,
                            bytesText(memory.availableBytes), bytesText(memory.totalBytes), useText(cpuUse));
    for (const auto& gpu : gpus.read()) {
        const auto use = runs::useOf(gpu.uuid);
        text += "\n" + gpuLine(gpu, use);
        list.push_back({{"index", gpu.index},
                        {"name", gpu.name},
                        {"uuid", gpu.uuid},
                        {"total_bytes", gpu.totalBytes},
                        {"free_bytes", gpu.freeBytes},
                        {"load_percent", orNull(gpu.utilisationPercent)},
                        {"celsius", orNull(gpu.celsius)},
                        {"watts", orNull(gpu.watts)},
                        {"in_use", use.inUse},
                        {"runs", runsOf(use)}});
    }
    if (!gpus.available())
        text += "\n" + gpus.reason();
    console.result({{"cpu",
                     {{"model", cpu.model},
                      {"cores", cpu.cores},
                      {"total_bytes", memory.totalBytes},
                      {"free_bytes", memory.availableBytes},
                      {"in_use", cpuUse.inUse},
                      {"runs", runsOf(cpuUse)}}},
                    {"gpus", list},
                    {"why_no_gpu", gpus.reason()}},
                   text);
    return 0;
}

} // namespace

void addDevices(CLI::App& app, Program& program)
{
    addCommand(app, program, "devices", "List what runs can train on, and what of it is free",
               [&program] { return listDevices(program.console); });
}

} // namespace espalier::cli
