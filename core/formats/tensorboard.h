// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace espalier::formats {

// ── Writing ──

/// An event file of TensorBoard. Every record is one write, so a killed process leaves at most its last record cut.
class TensorBoardWriter {
public:
    /// A new file "events.out.tfevents.<seconds>.<host>.<pid>.<n>" in `folder`, never an existing one.
    static Result<TensorBoardWriter> create(const std::filesystem::path& folder, double wallTime);
    /// Goes on with an existing file; a record cut at its end is removed first, since no reader would look beyond it. A file damaged
    /// before its end is an error: create another.
    static Result<TensorBoardWriter> append(const std::filesystem::path& file);

    TensorBoardWriter(TensorBoardWriter&& other) noexcept;
    TensorBoardWriter& operator=(TensorBoardWriter&& other) noexcept;
    ~TensorBoardWriter();

    const std::filesystem::path& path() const { return m_path; }
    Result<Done> addScalar(std::string_view tag, std::int64_t step, double wallTime, float value);
    Result<Done> addImage(std::string_view tag, std::int64_t step, double wallTime, int width, int height, int channels,
                          std::span<const std::byte> png);

private:
    TensorBoardWriter(std::filesystem::path path, int fd) : m_path(std::move(path)), m_fd(fd) {}
    Result<Done> writeRecord(std::string_view body);
    std::filesystem::path m_path;
    int m_fd = -1;
};

// ── Reading ──

struct TensorBoardImage {
    int width = 0, height = 0, channels = 0;
    std::string png;
};
/// One value of one event; an event without values (the version record) gives none.
struct TensorBoardValue {
    double wallTime = 0;
    std::int64_t step = 0;
    std::string tag;
    std::variant<float, TensorBoardImage> value;
};

/// Follows an event file: each poll gives what came since the last one. A record cut at the end is waited for; a damaged one ends the
/// file for good, as in TensorBoard itself.
class TensorBoardReader {
public:
    explicit TensorBoardReader(std::filesystem::path file) : m_path(std::move(file)) {}
    Result<std::vector<TensorBoardValue>> poll();
    /// Why nothing more will come; nothing while the file is sound.
    const std::optional<Error>& damage() const { return m_damage; }
    const std::string& fileVersion() const { return m_fileVersion; }
    /// Bytes of whole records so far.
    std::uint64_t offset() const { return m_offset; }

private:
    std::filesystem::path m_path;
    std::uint64_t m_offset = 0;
    std::string m_fileVersion;
    std::optional<Error> m_damage;
};

// ── Details that tests look at ──

/// The values of one serialized Event, with its version text if it has one; nothing when it is no Event.
std::optional<std::vector<TensorBoardValue>> parseTensorBoardEvent(std::span<const std::byte> body, std::string& fileVersion);
std::uint32_t crc32c(std::span<const std::byte> bytes);
std::uint32_t maskedCrc32c(std::span<const std::byte> bytes);

} // namespace espalier::formats
