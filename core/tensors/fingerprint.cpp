// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/fingerprint.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/cuda/CUDAContext.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <elf.h>
#include <link.h>

namespace espalier::tensors {
namespace {

/// The build id that the linker gave the running program, in hexadecimal; "unknown" without one.
std::string buildId()
{
    std::string id;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* out) {
            for (int i = 0; i < info->dlpi_phnum; ++i) {
                const auto& segment = info->dlpi_phdr[i];
                if (segment.p_type != PT_NOTE)
                    continue;
                const char* at = reinterpret_cast<const char*>(info->dlpi_addr + segment.p_vaddr);
                const char* const end = at + segment.p_memsz;
                while (at + sizeof(ElfW(Nhdr)) <= end) {
                    const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
                    const char* name = at + sizeof(*note);
                    const char* description = name + ((note->n_namesz + 3u) & ~3u);
                    if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && std::string_view(name, 3) == "GNU")
                        for (unsigned k = 0; k < note->n_descsz; ++k)
                            *static_cast<std::string*>(out) += fmt::format("{:02x}", static_cast<unsigned char>(description[k]));
                    at = description + ((note->n_descsz + 3u) & ~3u);
                }
            }
            return 1; // the first object is the program itself
        },
        &id);
    return id.empty() ? "unknown" : id;
}

} // namespace

Fingerprint Fingerprint::here(const c10::Device& device, int worldSize, const std::string& memoryFormat)
{
    std::string name = "cpu";
    if (device.is_cuda()) {
        const auto* properties = at::cuda::getDeviceProperties(device.has_index() ? device.index() : at::cuda::current_device());
        name = fmt::format("cuda {}", properties->name);
    }
    return {name, worldSize, at::get_num_threads(), at::get_cpu_capability(), TORCH_VERSION, buildId(), memoryFormat};
}

std::string Fingerprint::difference(const Fingerprint& now) const
{
    const auto said = [](const char* what, const auto& a, const auto& b) { return fmt::format("{} ({} then, {} now)", what, a, b); };
    if (device != now.device)
        return said("device", device, now.device);
    if (worldSize != now.worldSize)
        return said("number of ranks", worldSize, now.worldSize);
    if (threads != now.threads)
        return said("threads", threads, now.threads);
    if (memoryFormat != now.memoryFormat)
        return said("memory format", memoryFormat, now.memoryFormat);
    if (instructionSet != now.instructionSet)
        return said("instruction set", instructionSet, now.instructionSet);
    if (libtorch != now.libtorch)
        return said("LibTorch", libtorch, now.libtorch);
    if (build != now.build)
        return said("build of the program", build.substr(0, 12), now.build.substr(0, 12));
    return {};
}

Json Fingerprint::toJson() const
{
    return {{"device", device},     {"world_size", worldSize}, {"threads", threads},           {"instruction_set", instructionSet},
            {"libtorch", libtorch}, {"build", build},          {"memory_format", memoryFormat}};
}

Result<Fingerprint> Fingerprint::fromJson(const Json& json, const std::string& file)
{
    Fingerprint f;
    const auto damaged = [&](const char* key) {
        return Error{
            ErrorCode::Format, fmt::format("{} has no valid made_on.{}: it is damaged. Choose another checkpoint.", file, key), {}};
    };
    for (const auto& [key, into] : std::initializer_list<std::pair<const char*, std::string*>>{{"device", &f.device},
                                                                                               {"instruction_set", &f.instructionSet},
                                                                                               {"libtorch", &f.libtorch},
                                                                                               {"build", &f.build},
                                                                                               {"memory_format", &f.memoryFormat}}) {
        const auto found = json.find(key);
        if (found == json.end() || !found->is_string())
            return damaged(key);
        *into = found->get<std::string>();
    }
    for (const auto& [key, into] :
         std::initializer_list<std::pair<const char*, int*>>{{"world_size", &f.worldSize}, {"threads", &f.threads}}) {
        const auto found = json.find(key);
        if (found == json.end() || !found->is_number_integer())
            return damaged(key);
        *into = found->get<int>();
    }
    return f;
}

} // namespace espalier::tensors
