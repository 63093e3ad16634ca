// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"

#include "core/base/descriptor.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace espalier {
namespace {

class Digest {
public:
    Digest() : m_context(EVP_MD_CTX_new()) { EVP_DigestInit_ex(m_context, EVP_sha256(), nullptr); }
    ~Digest() { EVP_MD_CTX_free(m_context); }
    Digest(const Digest&) = delete;
    Digest& operator=(const Digest&) = delete;
    void add(const void* data, std::size_t bytes) { EVP_DigestUpdate(m_context, data, bytes); }
    std::string hex()
    {
        unsigned char value[EVP_MAX_MD_SIZE];
        unsigned int length = 0;
        EVP_DigestFinal_ex(m_context, value, &length);
        std::string text;
        for (unsigned int i = 0; i < length; ++i)
            text += fmt::format("{:02x}", value[i]);
        return text;
    }

private:
    EVP_MD_CTX* m_context;
};

} // namespace

Error ioError(std::string_view doing, const std::filesystem::path& path, int errnoValue)
{
    const char* advice = errnoValue == ENOSPC || errnoValue == EDQUOT  ? " Free some space and try again."
                         : errnoValue == EACCES || errnoValue == EPERM ? " Check who may read and write there."
                                                                       : "";
    return {ErrorCode::Io, fmt::format("Could not {} {}: {}.{}", doing, path.string(), std::strerror(errnoValue), advice),
            fmt::format("errno {}", errnoValue)};
}

Result<std::string> readFile(const std::filesystem::path& file, std::uint64_t limitBytes)
{
    Descriptor in{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
    if (in.fd < 0)
        return ioError("open", file, errno);
    struct stat status {};
    if (::fstat(in.fd, &status) != 0)
        return ioError("read", file, errno);
    if (S_ISDIR(status.st_mode))
        return ioError("read", file, EISDIR);
    if (static_cast<std::uint64_t>(status.st_size) > limitBytes)
        return Error{ErrorCode::Format,
                     fmt::format("{} has {} bytes, more than the {} expected of such a file.", file.string(), status.st_size, limitBytes)};
    std::string content;
    char buffer[1 << 16];
    for (;;) {
        const ssize_t got = ::read(in.fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ioError("read", file, errno);
        if (got == 0)
            return content;
        content.append(buffer, static_cast<std::size_t>(got));
        if (content.size() > limitBytes)
            return Error{ErrorCode::Format,
                         fmt::format("{} has more than the {} bytes expected of such a file.", file.string(), limitBytes)};
    }
}

Result<Done> syncToDisk(const std::filesystem::path& path)
{
    Descriptor target{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (target.fd < 0 || ::fsync(target.fd) != 0)
        return ioError("sync", path, errno);
    return Done{};
}

Result<Done> writeFileAtomically(const std::filesystem::path& file, std::string_view content, Sync sync)
{
    const auto beside = file.parent_path() / fmt::format(".{}.{}.part", file.filename().string(), ::getpid());
    const auto fail = [&](std::string_view doing, int why) -> Error {
        ::unlink(beside.c_str());
        return ioError(doing, file, why);
    };
    Descriptor out{::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (out.fd < 0)
        return ioError("write", file, errno);
    for (std::string_view rest = content; !rest.empty();) {
        const ssize_t put = ::write(out.fd, rest.data(), rest.size());
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail("write", errno);
        rest.remove_prefix(static_cast<std::size_t>(put));
    }
    if (sync == Sync::Yes && ::fsync(out.fd) != 0)
        return fail("sync", errno);
    if (::rename(beside.c_str(), file.c_str()) != 0)
        return fail("write", errno);
    if (sync == Sync::Yes)
        return syncToDisk(file.parent_path().empty() ? std::filesystem::path(".") : file.parent_path());
    return Done{};
}

std::string sha256(std::span<const std::byte> bytes)
{
    Digest digest;
    digest.add(bytes.data(), bytes.size());
    return digest.hex();
}

Result<std::string> sha256OfFile(const std::filesystem::path& file)
{
    Descriptor in{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
    if (in.fd < 0)
        return ioError("open", file, errno);
    Digest digest;
    std::vector<char> buffer(1 << 20);
    for (;;) {
        const ssize_t got = ::read(in.fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ioError("read", file, errno);
        if (got == 0)
            return digest.hex();
        digest.add(buffer.data(), static_cast<std::size_t>(got));
    }
}

} // namespace espalier
