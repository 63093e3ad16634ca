// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/weights_source.h"

#include "core/base/files.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace espalier::tensors {
namespace {

constexpr int kMostThreads = 8;

std::string shapeText(const std::vector<std::int64_t>& shape)
{
    return c10::str(at::IntArrayRef(shape));
}

} // namespace

WeightsSource::WeightsSource(std::filesystem::path path, formats::WeightsFile file) : m_path(std::move(path)), m_file(std::move(file))
{
    constexpr std::string_view kPrefix = "module.";
    for (const auto& entry : m_file.entries())
        m_entries.emplace(entry.name.starts_with(kPrefix) ? entry.name.substr(kPrefix.size()) : entry.name, entry);
}

Result<WeightsSource> WeightsSource::open(const std::filesystem::path& from, const std::string& which)
{
    std::error_code ignored;
    if (!std::filesystem::is_directory(from, ignored) || formats::isDiffusersFolder(from)) {
        auto file = formats::WeightsFile::open(from, which);
        if (!file)
            return file.error();
        return WeightsSource(from, *std::move(file));
    }
    auto manifest = readManifest(from);
    if (!manifest)
        return manifest.error();
    const auto listed = manifest->fileOf(which);
    if (!listed)
        return Error{listed.error().code, fmt::format("{} {}", from.string(), listed.error().message), listed.error().detail};
    if (auto good = verifyCheckpointFile(from, *listed); !good)
        return good.error();
    auto file = formats::WeightsFile::open(from / listed->name);
    if (!file)
        return file.error();
    WeightsSource source(from, *std::move(file));
    source.m_sha256 = listed->sha256;
    source.m_manifest = *std::move(manifest);
    return source;
}

Result<std::string> WeightsSource::sha256() const
{
    return m_sha256.empty() ? formats::sha256OfWeights(m_file.path()) : Result<std::string>(m_sha256);
}

const formats::WeightsEntry* WeightsSource::find(const std::string& name) const
{
    const auto found = m_entries.find(name);
    return found == m_entries.end() ? nullptr : &found->second;
}

Result<at::Tensor> WeightsSource::read(const formats::WeightsEntry& entry) const
{
    return readTensor(m_file, entry);
}

Result<Done> WeightsSource::readInto(const formats::WeightsEntry& entry, at::Tensor to) const
{
    return readTensorInto(m_file, entry, std::move(to));
}

Result<Done> WeightsSource::readAll(NamedTensors parameters) const
{
    const auto misfit = [&](const std::string& why) {
        return Error{ErrorCode::Format, fmt::format("{} does not fit this model: {}.", m_path.string(), why), {}};
    };
    std::vector<std::pair<const formats::WeightsEntry*, at::Tensor>> reads;
    for (const auto& [name, parameter] : parameters) {
        const auto* entry = find(name);
        if (!entry)
            return misfit("it has no tensor " + name);
        if (at::IntArrayRef(entry->shape) != parameter.sizes())
            return misfit(fmt::format("{} has shape {}, but {} is needed", name, shapeText(entry->shape), c10::str(parameter.sizes())));
        const auto type = scalarTypeOf(entry->dtype);
        if (!type || !at::isFloatingType(*type))
            return misfit(fmt::format("{} holds {}, but floating-point numbers are needed", name, formats::nameOf(entry->dtype)));
        reads.emplace_back(entry, parameter);
    }
    if (m_entries.size() != reads.size())
        for (const auto& [name, entry] : m_entries)
            if (std::none_of(parameters.begin(), parameters.end(), [&](const auto& p) { return p.first == name; }))
                return misfit(fmt::format("the model has no parameter {}", name));

    // In the order of the file, so that a disk reads it from front to back.
    std::sort(reads.begin(), reads.end(), [](const auto& a, const auto& b) { return a.first->place < b.first->place; });
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    std::optional<Error> first;
    std::exception_ptr thrown; // no memory for a staged tensor, for instance
    const auto work = [&] {
        for (auto i = next++; i < reads.size(); i = next++) {
            std::optional<Error> error;
            std::exception_ptr exception;
            try {
                if (auto done = readInto(*reads[i].first, reads[i].second); !done)
                    error = done.error();
            } catch (...) {
                exception = std::current_exception();
            }
            if (!error && !exception)
                continue;
            const std::lock_guard lock(mutex);
            if (!first && !thrown) {
                first = std::move(error);
                thrown = exception;
            }
            next = reads.size();
        }
    };
    {
        std::vector<std::jthread> others;
        for (int i = 1; m_file.manyThreads() && i < std::min(at::get_num_threads(), kMostThreads); ++i)
            others.emplace_back(work);
        work();
    }
    if (thrown)
        std::rethrow_exception(thrown);
    return first ? Result<Done>(*first) : Result<Done>(Done{});
}

} // namespace espalier::tensors
