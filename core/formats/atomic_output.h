// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/files.h"
#include "core/base/result.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace espalier::formats {

/// Size and SHA-256 of a file as it was written; the SHA-256 is "" for a file that was patched (ask sha256OfFile).
struct WrittenFile {
    std::uint64_t bytes = 0;
    std::string sha256;
};

/// A file written in pieces beside its final name; `commit` renames it there, anything else leaves nothing behind.
class AtomicOutput {
public:
    static Result<AtomicOutput> create(const std::filesystem::path& file);

    AtomicOutput(AtomicOutput&&) noexcept;
    AtomicOutput& operator=(AtomicOutput&&) noexcept;
    ~AtomicOutput();

    Result<Done> write(std::span<const std::byte> bytes);
    Result<Done> write(std::string_view text) { return write(std::as_bytes(std::span(text.data(), text.size()))); }
    /// Replaces bytes that were written before. No SHA-256 is known then.
    Result<Done> patch(std::uint64_t offset, std::span<const std::byte> bytes);
    std::uint64_t size() const;
    Result<WrittenFile> commit(Sync sync);

private:
    struct State;
    explicit AtomicOutput(std::unique_ptr<State> state);
    std::unique_ptr<State> m_state;
};

} // namespace espalier::formats
