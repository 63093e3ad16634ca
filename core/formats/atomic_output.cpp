// SPDX-License-Identifier: Apache-2.0
#include "core/formats/atomic_output.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace espalier::formats {

struct AtomicOutput::State {
    std::filesystem::path file, beside;
    int fd = -1;
    EVP_MD_CTX* digest = EVP_MD_CTX_new();
    std::uint64_t size = 0;
    bool patched = false;

    ~State()
    {
        EVP_MD_CTX_free(digest);
        if (fd >= 0)
            ::close(fd);
        if (!beside.empty())
            ::unlink(beside.c_str());
    }

    Result<Done> put(std::span<const std::byte> bytes, std::uint64_t offset) const
    {
        while (!bytes.empty()) {
            const ssize_t done = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (done < 0 && errno == EINTR)
                continue;
            if (done < 0)
                return ioError("write", file, errno);
            offset += static_cast<std::uint64_t>(done);
            bytes = bytes.subspan(static_cast<std::size_t>(done));
        }
        return Done{};
    }
};

AtomicOutput::AtomicOutput(std::unique_ptr<State> state) : m_state(std::move(state)) {}
AtomicOutput::AtomicOutput(AtomicOutput&&) noexcept = default;
AtomicOutput& AtomicOutput::operator=(AtomicOutput&&) noexcept = default;
AtomicOutput::~AtomicOutput() = default;

Result<AtomicOutput> AtomicOutput::create(const std::filesystem::path& file)
{
    static std::atomic<unsigned> counter{0}; // two outputs of one process must not share a name
    auto state = std::make_unique<State>();
    state->file = file;
    auto beside = file.parent_path() / fmt::format(".{}.{}-{}.part", file.filename().string(), ::getpid(), counter++);
    state->fd = ::open(beside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (state->fd < 0)
        return ioError("write", file, errno);
    state->beside = std::move(beside);
    EVP_DigestInit_ex(state->digest, EVP_sha256(), nullptr);
    return AtomicOutput(std::move(state));
}

Result<Done> AtomicOutput::write(std::span<const std::byte> bytes)
{
    if (const auto put = m_state->put(bytes, m_state->size); !put)
        return put.error();
    EVP_DigestUpdate(m_state->digest, bytes.data(), bytes.size());
    m_state->size += bytes.size();
    return Done{};
}

Result<Done> AtomicOutput::patch(std::uint64_t offset, std::span<const std::byte> bytes)
{
    m_state->patched = true;
    return m_state->put(bytes, offset);
}

std::uint64_t AtomicOutput::size() const
{
    return m_state->size;
}

Result<WrittenFile> AtomicOutput::commit(Sync sync)
{
    State& s = *m_state;
    WrittenFile written{s.size, {}};
    if (!s.patched) {
        unsigned char value[EVP_MAX_MD_SIZE];
        unsigned int length = 0;
        EVP_DigestFinal_ex(s.digest, value, &length);
        for (unsigned int i = 0; i < length; ++i)
            written.sha256 += fmt::format("{:02x}", value[i]);
    }
    if (sync == Sync::Yes && ::fsync(s.fd) != 0)
        return ioError("sync", s.file, errno);
    if (::close(std::exchange(s.fd, -1)) != 0) // some file systems report a full disk only here
        return ioError("write", s.file, errno);
    if (::rename(s.beside.c_str(), s.file.c_str()) != 0)
        return ioError("write", s.file, errno);
    s.beside.clear();
    if (sync == Sync::Yes) {
        const auto folder = s.file.parent_path();
        if (const auto done = syncToDisk(folder.empty() ? std::filesystem::path(".") : folder); !done)
            return done.error();
    }
    return written;
}

} // namespace espalier::formats
