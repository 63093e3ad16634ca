// SPDX-License-Identifier: Apache-2.0
// bench_weights make FILE            writes weights in the shapes of DiT-XL/2 at 256 pixels, 2.7 GB
// bench_weights read FILE [--cold]   seconds to read the file from front to back and keep nothing
// bench_weights keep FILE [--cold]   seconds to read it into new memory as it is
// bench_weights load FILE [--cold]   seconds to read it into the tensors of such a model, and how much memory that took beside them
// With --cold the file leaves the page cache first.
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/shapes/parameters.h"
#include "core/tensors/weights_source.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace espalier;

[[noreturn]] void stop(const std::string& why)
{
    std::fprintf(stderr, "bench_weights: %s\n", why.c_str());
    std::exit(1);
}

shapes::ModelShape xl2()
{
    const config::DitConfig dit{.patchSize = 2, .hiddenSize = 1152, .depth = 28, .numHeads = 16, .learnSigma = true, .numClasses = 1000};
    return {4, 8, 32, dit};
}

tensors::NamedTensors emptyModel()
{
    tensors::NamedTensors model;
    for (const auto& parameter : shapes::parameterTable(xl2()))
        model.emplace_back(parameter.name, at::empty(parameter.shape, at::kFloat));
    return model;
}

void leaveCache(const std::string& file)
{
    const int fd = ::open(file.c_str(), O_RDONLY);
    if (fd < 0 || ::fdatasync(fd) != 0 || ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        stop("cannot take " + file + " out of the page cache");
    ::close(fd);
}

double peakBytes()
{
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024.0;
}

template <class F>
double secondsOf(F&& work)
{
    const auto began = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

Json make(const std::string& file)
{
    auto model = emptyModel();
    for (auto& [name, tensor] : model) // not zeros, which a file system may leave out
        tensor.copy_(at::arange(tensor.numel(), at::kFloat).view(tensor.sizes())).mul_(1e-6);
    const auto written = tensors::writeTensors(file, model);
    if (!written)
        stop(written.error().message);
    return {{"bytes", written->bytes}};
}

Json read(const std::string& file, bool keep)
{
    constexpr std::size_t kChunk = 4 << 20;
    std::uint64_t bytes = 0;
    const auto size = static_cast<std::size_t>(std::filesystem::file_size(file));
    const auto seconds = secondsOf([&] {
        const auto memory = std::make_unique_for_overwrite<char[]>(keep ? size : kChunk);
        const int fd = ::open(file.c_str(), O_RDONLY);
        if (fd < 0)
            stop("cannot read " + file);
        for (ssize_t got = 1; got > 0 && bytes < size; bytes += static_cast<std::uint64_t>(got))
            got = ::read(fd, memory.get() + (keep ? bytes : 0), std::min(kChunk, size - static_cast<std::size_t>(bytes)));
        ::close(fd);
    });
    return {{"seconds", seconds}, {"bytes", bytes}};
}

Json load(const std::string& file)
{
    auto model = emptyModel();
    double bytes = 0.0;
    for (const auto& [name, tensor] : model)
        bytes += static_cast<double>(tensor.nbytes());
    const double before = peakBytes();
    const auto seconds = secondsOf([&] {
        const auto source = tensors::WeightsSource::open(file, "raw");
        if (!source)
            stop(source.error().message);
        if (auto done = source->readAll(model); !done)
            stop(done.error().message);
    });
    return {{"seconds", seconds}, {"bytes", bytes}, {"memory_beside_model", peakBytes() - before - bytes}};
}

} // namespace

int main(int argc, char** argv)
{
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (argc < 3 || (what != "make" && what != "read" && what != "keep" && what != "load"))
        stop("bench_weights make|read|keep|load FILE [--cold]");
    const std::string file = argv[2];
    if (argc > 3 && argv[3] == std::string_view("--cold"))
        leaveCache(file);
    const auto result = what == "make" ? make(file) : what == "load" ? load(file) : read(file, what == "keep");
    std::printf("%s\n", result.dump().c_str());
    return 0;
}
