// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::runs {

/// Tags that every run writes; others are free ("group/name").
namespace tags {
inline constexpr std::string_view kLoss = "loss/train";
inline constexpr std::string_view kLearningRate = "training/learning_rate";
inline constexpr std::string_view kGradNorm = "training/grad_norm";
inline constexpr std::string_view kLossScale = "training/loss_scale";
inline constexpr std::string_view kImagesPerSecond = "speed/images_per_s";
inline constexpr std::string_view kTrainingSeconds = "clock/training_seconds"; // counted on over resumes
inline constexpr std::string_view kImages = "clock/images";
inline constexpr std::string_view kFlops = "clock/flops";
inline constexpr std::string_view kFd = "evaluation/fd";
inline constexpr std::string_view kFid = "evaluation/fid";
inline constexpr std::string_view kTop1 = "evaluation/top1"; // per cent of the test images
inline constexpr std::string_view kTop5 = "evaluation/top5";
inline constexpr std::string_view kTestLoss = "loss/test";
} // namespace tags

struct ScalarPoint {
    std::int64_t step = 0;
    double time = 0.0; // seconds since 1970
    double value = 0.0;
};

/// The pen of one scalars/<attempt>/<tag>.bin: header, then 24-byte little-endian records. Buffers until flush(). One thread.
class ScalarWriter {
public:
    static Result<ScalarWriter> create(const std::filesystem::path& file, std::string_view tag, std::string_view unit = "");
    ScalarWriter(ScalarWriter&&) noexcept;
    ScalarWriter& operator=(ScalarWriter&&) noexcept;
    ~ScalarWriter(); // flushes, silently
    void add(const ScalarPoint& point);
    Result<Done> flush();
    std::size_t pending() const { return m_buffer.size(); }

private:
    ScalarWriter(int fd, std::filesystem::path file) : m_fd(fd), m_file(std::move(file)) {}
    int m_fd = -1;
    std::filesystem::path m_file;
    std::string m_buffer;
};

struct ScalarHeader {
    std::string tag, unit;
    std::uint64_t bytes = 0; // where the records begin
};
/// Reads and checks a header; Format error when the file is something else, empty header when it is not yet whole.
Result<ScalarHeader> readScalarHeader(const std::filesystem::path& file);

/// Reads a growing scalar file by pread. A torn record at the end waits for its rest.
class ScalarReader {
public:
    explicit ScalarReader(std::filesystem::path file) : m_file(std::move(file)) {}
    /// Appends what was added since the last call, at most `limit` points; gives how many. An error is final for this file.
    Result<std::size_t> poll(std::vector<ScalarPoint>& into, std::size_t limit = std::size_t{1} << 20);
    const std::filesystem::path& file() const { return m_file; }
    const std::string& tag() const { return m_header.tag; }
    const std::string& unit() const { return m_header.unit; }
    std::uint64_t offset() const { return m_offset; }

private:
    std::filesystem::path m_file;
    ScalarHeader m_header;
    std::uint64_t m_offset = 0;
};

} // namespace espalier::runs
