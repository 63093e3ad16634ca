// SPDX-License-Identifier: Apache-2.0
#include "core/formats/mapped_file.h"

#include "core/base/files.h"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace espalier::formats {

Result<MappedFile> MappedFile::open(const std::filesystem::path& file)
{
    MappedFile mapped;
    mapped.m_path = file;
    mapped.m_fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (mapped.m_fd < 0)
        return ioError("open", file, errno);
    struct stat status {};
    if (::fstat(mapped.m_fd, &status) != 0)
        return ioError("read", file, errno);
    if (S_ISDIR(status.st_mode))
        return ioError("read", file, EISDIR);
    if (!S_ISREG(status.st_mode))
        return Error{ErrorCode::Io, fmt::format("{} is no regular file. Choose a file on a disk.", file.string())};
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > 0) {
        void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, mapped.m_fd, 0);
        if (data == MAP_FAILED)
            return ioError("map", file, errno);
        mapped.m_data = static_cast<const std::byte*>(data);
        mapped.m_size = size;
    }
    return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : m_path(std::move(other.m_path)), m_data(std::exchange(other.m_data, nullptr)), m_size(std::exchange(other.m_size, 0)),
      m_fd(std::exchange(other.m_fd, -1))
{
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept
{
    std::swap(m_path, other.m_path);
    std::swap(m_data, other.m_data);
    std::swap(m_size, other.m_size);
    std::swap(m_fd, other.m_fd);
    return *this;
}

MappedFile::~MappedFile()
{
    if (m_data)
        ::munmap(const_cast<std::byte*>(m_data), m_size);
    if (m_fd >= 0)
        ::close(m_fd);
}

Result<Done> MappedFile::copy(std::size_t offset, std::span<std::byte> into) const
{
    while (!into.empty()) {
        const ssize_t got = ::pread(m_fd, into.data(), into.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ioError("read", m_path, errno);
        if (got == 0)
            return Error{ErrorCode::Format, fmt::format("{} ends at byte {}: it was cut while it was read.", m_path.string(), offset)};
        offset += static_cast<std::size_t>(got);
        into = into.subspan(static_cast<std::size_t>(got));
    }
    return Done{};
}

} // namespace espalier::formats
