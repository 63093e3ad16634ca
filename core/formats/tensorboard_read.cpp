// SPDX-License-Identifier: Apache-2.0
#include "core/base/descriptor.h"
#include "core/base/files.h"
#include "core/formats/tensorboard.h"

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace espalier::formats {
namespace {

constexpr std::uint64_t kLongestRecord = std::uint64_t{256} << 20; // a grid of images is some megabytes

/// One protobuf message, field by field, never beyond its end.
class Message {
public:
    explicit Message(std::span<const std::byte> bytes) : m_rest(bytes) {}

    /// The next field, or false at the end and when the message is damaged.
    bool next()
    {
        std::uint64_t key = 0;
        if (m_rest.empty() || !varint(key) || key >> 3 == 0 || key >> 3 > 0x1FFFFFFF)
            return m_damaged = m_damaged || !m_rest.empty(), false;
        field = static_cast<int>(key >> 3);
        kind = static_cast<int>(key & 7);
        switch (kind) {
        case 0:
            return sound(varint(number));
        case 1:
            return sound(fixed(8));
        case 2: {
            std::uint64_t length = 0;
            if (!varint(length) || length > m_rest.size())
                return sound(false);
            bytes = m_rest.first(length);
            m_rest = m_rest.subspan(length);
            return true;
        }
        case 5:
            return sound(fixed(4));
        default:
            return sound(false);
        }
    }
    bool damaged() const { return m_damaged; }
    std::string text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

    int field = 0, kind = 0;
    std::uint64_t number = 0;         // of kinds 0, 1 and 5
    std::span<const std::byte> bytes; // of kind 2

private:
    bool sound(bool good)
    {
        m_damaged = m_damaged || !good;
        return good;
    }
    bool varint(std::uint64_t& value)
    {
        value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (m_rest.empty())
                return sound(false);
            const auto byte = std::to_integer<std::uint64_t>(m_rest[0]);
            m_rest = m_rest.subspan(1);
            value |= (byte & 0x7F) << shift;
            if (byte < 0x80)
                return true;
        }
        return sound(false);
    }
    bool fixed(std::size_t size)
    {
        if (m_rest.size() < size)
            return false;
        number = 0;
        for (std::size_t i = size; i-- > 0;)
            number = number << 8 | std::to_integer<std::uint64_t>(m_rest[i]);
        m_rest = m_rest.subspan(size);
        return true;
    }

    std::span<const std::byte> m_rest;
    bool m_damaged = false;
};

bool parseImage(std::span<const std::byte> bytes, TensorBoardImage& image)
{
    Message message(bytes);
    while (message.next()) {
        const auto side = static_cast<int>(std::min<std::uint64_t>(message.number, 0x7FFFFFFF));
        if (message.kind == 0 && message.field == 1)
            image.height = side;
        else if (message.kind == 0 && message.field == 2)
            image.width = side;
        else if (message.kind == 0 && message.field == 3)
            image.channels = side;
        else if (message.kind == 2 && message.field == 4)
            image.png = message.text();
    }
    return !message.damaged();
}

/// A value that is neither a plain number nor an image (a tensor, a histogram) is passed over.
bool parseValue(std::span<const std::byte> bytes, std::vector<TensorBoardValue>& values)
{
    TensorBoardValue value;
    bool known = false;
    Message message(bytes);
    while (message.next()) {
        if (message.kind == 2 && message.field == 1) {
            value.tag = message.text();
        } else if (message.kind == 5 && message.field == 2) {
            value.value = std::bit_cast<float>(static_cast<std::uint32_t>(message.number));
            known = true;
        } else if (message.kind == 2 && message.field == 4) {
            TensorBoardImage image;
            if (!parseImage(message.bytes, image))
                return false;
            value.value = std::move(image);
            known = true;
        }
    }
    if (known)
        values.push_back(std::move(value));
    return !message.damaged();
}

std::uint64_t littleEndian(std::span<const std::byte> bytes)
{
    std::uint64_t v = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
        v = v << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    return v;
}

/// Reads up to `into.size()` bytes at `offset`; fewer at the end of the file.
Result<std::size_t> readAt(int fd, std::uint64_t offset, std::span<std::byte> into, const std::filesystem::path& file)
{
    std::size_t got = 0;
    while (got < into.size()) {
        const ssize_t n = ::pread(fd, into.data() + got, into.size() - got, static_cast<off_t>(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ioError("read", file, errno);
        if (n == 0)
            break;
        got += static_cast<std::size_t>(n);
    }
    return got;
}

} // namespace

std::optional<std::vector<TensorBoardValue>> parseTensorBoardEvent(std::span<const std::byte> body, std::string& fileVersion)
{
    std::vector<TensorBoardValue> values;
    double wallTime = 0;
    std::int64_t step = 0;
    Message event(body);
    while (event.next()) {
        if (event.kind == 1 && event.field == 1)
            wallTime = std::bit_cast<double>(event.number);
        else if (event.kind == 0 && event.field == 2)
            step = static_cast<std::int64_t>(event.number);
        else if (event.kind == 2 && event.field == 3)
            fileVersion = event.text();
        else if (event.kind == 2 && event.field == 5) {
            Message summary(event.bytes);
            while (summary.next())
                if (summary.kind == 2 && summary.field == 1 && !parseValue(summary.bytes, values))
                    return {};
            if (summary.damaged())
                return {};
        }
    }
    if (event.damaged())
        return {};
    for (auto& value : values) {
        value.wallTime = wallTime;
        value.step = step;
    }
    return values;
}

Result<std::vector<TensorBoardValue>> TensorBoardReader::poll()
{
    std::vector<TensorBoardValue> all;
    if (m_damage)
        return all;
    const Descriptor in{::open(m_path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (in.fd < 0)
        return ioError("open", m_path, errno);
    const auto fileBytes = static_cast<std::uint64_t>(std::max<off_t>(::lseek(in.fd, 0, SEEK_END), 0));
    const auto damaged = [&](std::string_view why) {
        m_damage = Error{ErrorCode::Format, fmt::format("{} is damaged at byte {}: {}.", m_path.string(), m_offset, why)};
        return all;
    };
    std::vector<std::byte> record;
    for (;;) {
        std::array<std::byte, 12> head;
        const auto got = readAt(in.fd, m_offset, head, m_path);
        if (!got)
            return got.error();
        if (*got < head.size())
            return all; // the end, or a record that is being written
        const std::span<const std::byte> headBytes(head);
        const std::uint64_t length = littleEndian(headBytes.first(8));
        if (littleEndian(headBytes.subspan(8)) != maskedCrc32c(headBytes.first(8)))
            return damaged("the checksum of a record's length is wrong");
        if (length > kLongestRecord)
            return damaged(fmt::format("a record claims {} bytes", length));
        if (m_offset + head.size() + length + 4 > fileBytes)
            return all;
        record.resize(length + 4);
        const auto body = readAt(in.fd, m_offset + head.size(), record, m_path);
        if (!body)
            return body.error();
        if (*body < record.size())
            return all;
        const auto content = std::span<const std::byte>(record).first(length);
        if (littleEndian(std::span<const std::byte>(record).subspan(length)) != maskedCrc32c(content))
            return damaged("the checksum of a record is wrong");
        auto values = parseTensorBoardEvent(content, m_fileVersion);
        if (!values)
            return damaged("a record is no event");
        all.insert(all.end(), std::make_move_iterator(values->begin()), std::make_move_iterator(values->end()));
        m_offset += head.size() + record.size();
    }
}

} // namespace espalier::formats
