// SPDX-License-Identifier: Apache-2.0
#include "core/formats/in_quotes.h"
#include "core/formats/npz.h"
#include "core/formats/zip_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace espalier::formats {

struct NpzWriter::State {
    std::filesystem::path file;
    bool deflated = false;
    ZipWriter zip;
    std::set<std::string> names;

    struct Images { // the array being appended to
        std::string name;
        std::int64_t height, width, channels, written = 0;
        std::optional<std::int64_t> count;
        std::size_t bytes() const { return static_cast<std::size_t>(height * width * channels); }
        /// Always as long as for the largest count, so that the count can be filled in at the end.
        std::string header(std::int64_t n) const { return npyHeaderText(kNpyUint8, std::vector{n, height, width, channels}, 128); }
    };
    std::optional<Images> images;

    Error refuse(std::string_view why) const { return {ErrorCode::Internal, fmt::format("{} cannot be written: {}.", file.string(), why)}; }
    Result<Done> claimName(std::string_view name)
    {
        if (name.empty() || name.size() > 1000 || !names.insert(std::string(name)).second)
            return refuse(fmt::format("it has no room for an array called {}", inQuotes(name)));
        return Done{};
    }
};

NpzWriter::NpzWriter(std::unique_ptr<State> state) : m_state(std::move(state)) {}
NpzWriter::NpzWriter(NpzWriter&&) noexcept = default;
NpzWriter& NpzWriter::operator=(NpzWriter&&) noexcept = default;
NpzWriter::~NpzWriter() = default;

Result<NpzWriter> NpzWriter::create(const std::filesystem::path& file, NpzCompression compression)
{
    auto zip = ZipWriter::create(file);
    if (!zip)
        return zip.error();
    return NpzWriter(std::unique_ptr<State>(new State{file, compression == NpzCompression::Deflate, std::move(*zip), {}, {}}));
}

Result<Done> NpzWriter::beginImages(std::string_view name, int height, int width, int channels, std::optional<std::int64_t> count)
{
    State& s = *m_state;
    if (s.images)
        return s.refuse(fmt::format("array {} was not ended", inQuotes(s.images->name)));
    if (height <= 0 || width <= 0 || channels <= 0)
        return s.refuse(fmt::format("{} × {} × {} is no size of an image", height, width, channels));
    if (const auto claimed = s.claimName(name); !claimed)
        return claimed.error();
    s.images = State::Images{std::string(name), height, width, channels, 0, count};
    return s.zip.begin(s.images->name + ".npy", s.deflated, s.images->header(0));
}

Result<Done> NpzWriter::appendImages(std::span<const std::uint8_t> pixels)
{
    State& s = *m_state;
    if (!s.images || pixels.size() % s.images->bytes() != 0)
        return s.refuse(fmt::format("{} bytes are no whole number of images", pixels.size()));
    s.images->written += static_cast<std::int64_t>(pixels.size() / s.images->bytes());
    return s.zip.write(std::as_bytes(pixels));
}

Result<Done> NpzWriter::endImages()
{
    State& s = *m_state;
    if (!s.images)
        return s.refuse("no array of images was begun");
    if (s.images->count && *s.images->count != s.images->written)
        return s.refuse(fmt::format("array {} got {} images instead of {}", inQuotes(s.images->name), s.images->written, *s.images->count));
    const std::string header = s.images->header(s.images->written);
    s.images.reset();
    return s.zip.end(header);
}

Result<Done> NpzWriter::addBytes(std::string_view name, NpyType type, std::span<const std::int64_t> shape, std::span<const std::byte> bytes)
{
    State& s = *m_state;
    std::uint64_t need = static_cast<std::uint64_t>(type.bytes);
    for (const std::int64_t side : shape)
        if (side < 0 || __builtin_mul_overflow(need, static_cast<std::uint64_t>(side), &need))
            return s.refuse(fmt::format("the shape of array {} is impossible", inQuotes(name)));
    if (need != bytes.size())
        return s.refuse(fmt::format("array {} came with {} bytes instead of {}", inQuotes(name), bytes.size(), need));
    if (s.images)
        return s.refuse(fmt::format("array {} was not ended", inQuotes(s.images->name)));
    if (const auto claimed = s.claimName(name); !claimed)
        return claimed.error();
    const std::string header = npyHeaderText(type, shape);
    if (const auto done = s.zip.begin(std::string(name) + ".npy", s.deflated, header); !done)
        return done.error();
    if (const auto done = s.zip.write(bytes); !done)
        return done.error();
    return s.zip.end(header);
}

Result<Done> NpzWriter::add(std::string_view name, std::span<const std::int64_t> shape, std::span<const std::int64_t> values)
{
    return addBytes(name, kNpyInt64, shape, std::as_bytes(values));
}
Result<Done> NpzWriter::add(std::string_view name, std::span<const std::int64_t> shape, std::span<const double> values)
{
    return addBytes(name, kNpyFloat64, shape, std::as_bytes(values));
}
Result<Done> NpzWriter::add(std::string_view name, std::span<const std::int64_t> shape, std::span<const float> values)
{
    return addBytes(name, kNpyFloat32, shape, std::as_bytes(values));
}
Result<Done> NpzWriter::add(std::string_view name, std::span<const std::int64_t> shape, std::span<const std::uint8_t> values)
{
    return addBytes(name, kNpyUint8, shape, std::as_bytes(values));
}

Result<Done> NpzWriter::finish(Sync sync)
{
    if (m_state->images)
        return m_state->refuse(fmt::format("array {} was not ended", inQuotes(m_state->images->name)));
    if (const auto done = m_state->zip.finish(sync); !done)
        return done.error();
    return Done{};
}

} // namespace espalier::formats
