// SPDX-License-Identifier: Apache-2.0
#include "core/machine/cpu.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <thread>

namespace espalier::machine {

namespace {

constexpr const char* kFeatures[] = {"sse4_2",   "avx",         "avx2",        "fma",         "f16c",     "avx512f",  "avx512bw",
                                     "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_tile", "amx_bf16",
                                     "amx_int8", "asimd",       "asimdhp",     "bf16",        "i8mm",     "sve",      "sve2"};

std::string_view afterColon(std::string_view line)
{
    const auto colon = line.find(':');
    if (colon == line.npos)
        return {};
    const auto value = line.substr(colon + 1);
    return value.substr(std::min(value.find_first_not_of(" \t"), value.size()));
}

int affinityCores()
{
    // Machines with more than 1024 cores need a larger set than the fixed one.
    for (int capacity = 1024; capacity <= 1 << 16; capacity *= 2) {
        cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(capacity));
        if (!set)
            break;
        const auto size = CPU_ALLOC_SIZE(static_cast<std::size_t>(capacity));
        CPU_ZERO_S(size, set);
        const int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return 0;
}

/// Cores' worth of time that a control group grants, rounded up; nothing when it does not limit.
std::optional<int> quotaOf(const std::filesystem::path& group)
{
    std::optional<std::uint64_t> quota, period;
    if (const auto text = readSystemFile(group / "cpu.max")) { // "200000 100000" or "max 100000"
        quota = leadingNumber(*text);
        if (const auto space = text->find(' '); space != text->npos)
            period = leadingNumber(std::string_view(*text).substr(space));
    } else {
        quota = leadingNumber(readSystemFile(group / "cpu.cfs_quota_us").value_or("")); // -1: no limit
        period = leadingNumber(readSystemFile(group / "cpu.cfs_period_us").value_or(""));
    }
    if (!quota || *quota == 0 || !period || *period == 0)
        return std::nullopt;
    return static_cast<int>(std::min<std::uint64_t>((*quota - 1) / *period + 1, 1 << 16));
}

} // namespace

bool Cpu::has(std::string_view feature) const
{
    return std::find(features.begin(), features.end(), feature) != features.end();
}

bool Cpu::fastBf16() const
{
    return has("avx512_bf16") || has("amx_bf16") || has("bf16");
}

Cpu cpu(const SystemFiles& files)
{
    Cpu found;
    std::istringstream lines(readSystemFile(files.proc / "cpuinfo").value_or(""));
    for (std::string line; std::getline(lines, line);) {
        if (found.model.empty() && (line.starts_with("model name") || line.starts_with("Model")))
            found.model = std::string(afterColon(line)).substr(0, 200);
        if (found.features.empty() && (line.starts_with("flags") || line.starts_with("Features"))) {
            const std::string flags = " " + std::string(afterColon(line)) + " ";
            for (const char* feature : kFeatures) {
                if (flags.find(" " + std::string(feature) + " ") != flags.npos)
                    found.features.emplace_back(feature);
            }
        }
    }
    found.machineCores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    const int allowed = affinityCores();
    found.cores = allowed > 0 ? allowed : found.machineCores;
    found.machineCores = std::max(found.machineCores, found.cores);
    for (const auto& group : controlGroups(files, "cpu")) {
        if (const auto quota = quotaOf(group))
            found.cores = std::max(1, std::min(found.cores, *quota));
    }
    return found;
}

} // namespace espalier::machine
