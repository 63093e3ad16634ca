// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/files.h"
#include "core/base/result.h"
#include "core/formats/npy.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::formats {

// ── Reading ──

/// Images of an npz, uint8 [N, H, W, C], read in batches: only what is asked for is in memory.
class NpzImages {
public:
    NpzImages(NpzImages&&) noexcept;
    NpzImages& operator=(NpzImages&&) noexcept;
    ~NpzImages();

    std::int64_t count() const;
    int height() const;
    int width() const;
    int channels() const;
    std::size_t imageBytes() const;
    /// Fills `into` with the next whole images and says how many; 0 at the end. The CRC is checked when the last one is read.
    Result<std::int64_t> next(std::span<std::uint8_t> into);

private:
    friend class NpzReader;
    struct State;
    explicit NpzImages(std::unique_ptr<State> state);
    std::unique_ptr<State> m_state;
};

struct NpzEntry {
    std::string name; // without ".npy"
    NpyHeader header;
};

/// An npz file. Opening reads every header and refuses duplicate names, damaged directories and arrays longer or shorter than promised.
class NpzReader {
public:
    static Result<NpzReader> open(const std::filesystem::path& file);

    NpzReader(NpzReader&&) noexcept;
    NpzReader& operator=(NpzReader&&) noexcept;
    ~NpzReader();

    const std::vector<NpzEntry>& entries() const;
    /// nullptr when there is no such array.
    const NpzEntry* find(std::string_view name) const;
    /// One array whole; more than `limitBytes` is refused before anything is allocated.
    Result<NpyArray> read(std::string_view name, std::uint64_t limitBytes = std::uint64_t{4} << 30) const;
    /// An array of images, such as "arr_0"; anything but uint8 [N, H, W, 1 or 3] in C order is refused.
    Result<NpzImages> images(std::string_view name) const;

private:
    struct State;
    explicit NpzReader(std::unique_ptr<State> state);
    std::unique_ptr<State> m_state;
};

/// A lone .npy file.
Result<NpyArray> readNpy(const std::filesystem::path& file, std::uint64_t limitBytes = std::uint64_t{4} << 30);

// ── Writing ──

enum class NpzCompression { Stored, Deflate };

/// Writes an npz in one pass, atomically, with zip64 so that any size works. Equal arrays give equal bytes.
class NpzWriter {
public:
    static Result<NpzWriter> create(const std::filesystem::path& file, NpzCompression compression = NpzCompression::Stored);

    NpzWriter(NpzWriter&&) noexcept;
    NpzWriter& operator=(NpzWriter&&) noexcept;
    ~NpzWriter();

    /// Begins an array uint8 [N, height, width, channels]; with `count` the end is checked against it, without it N is what came.
    Result<Done> beginImages(std::string_view name, int height, int width, int channels = 3, std::optional<std::int64_t> count = {});
    /// Appends a whole number of images.
    Result<Done> appendImages(std::span<const std::uint8_t> pixels);
    Result<Done> endImages();

    Result<Done> add(std::string_view name, std::span<const std::int64_t> shape, std::span<const std::int64_t> values);
    Result<Done> add(std::string_view name, std::span<const std::int64_t> shape, std::span<const double> values);
    Result<Done> add(std::string_view name, std::span<const std::int64_t> shape, std::span<const float> values);
    Result<Done> add(std::string_view name, std::span<const std::int64_t> shape, std::span<const std::uint8_t> values);

    Result<Done> finish(Sync sync = Sync::No);

private:
    struct State;
    explicit NpzWriter(std::unique_ptr<State> state);
    Result<Done> addBytes(std::string_view name, NpyType type, std::span<const std::int64_t> shape, std::span<const std::byte> bytes);
    std::unique_ptr<State> m_state;
};

} // namespace espalier::formats
