// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"
#include "core/formats/image_resize.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace espalier::data {

enum class CifarKind { Cifar10, Cifar100 };

/// Images of CIFAR files, as planes.
struct CifarRows {
    std::vector<std::uint8_t> planes; // [n, 3, 32, 32]
    std::vector<std::uint8_t> labels; // [n]; the fine ones of CIFAR-100

    std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
    /// Appends the rows of one binary file: 1 (CIFAR-10) or 2 (CIFAR-100: coarse, fine) label bytes and three planes of 32 × 32. A broken
    /// file is named and nothing of it is kept.
    Result<Done> append(std::span<const std::byte> file, CifarKind kind, std::string_view name);
    /// The same for a batch of the Python version, a pickled dictionary, of which nothing is run.
    Result<Done> appendPython(std::span<const std::byte> file, CifarKind kind, std::string_view name);
};

struct CifarOptions {
    CifarKind kind = CifarKind::Cifar10;
    Split split = Split::Train;
    int side = 32; // other sides are resized to
    formats::ResizeFilter filter = formats::ResizeFilter::Bicubic;
};

/// CIFAR as distributed, the binary or the Python version. `place` is the .tar.gz, the unpacked folder, or a folder that holds one of the
/// two. When nothing is there the sentence says what to get, from where, and where to put it.
Result<std::shared_ptr<const Dataset>> openCifar(const std::filesystem::path& place, const CifarOptions& options, const Log& log);

const std::vector<std::string>& cifarClassNames(CifarKind kind);
/// "CIFAR-10", "CIFAR-100".
const char* cifarTitle(CifarKind kind);

} // namespace espalier::data
