// SPDX-License-Identifier: Apache-2.0
#include "core/formats/png.h"

#include <fmt/format.h>
#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

namespace espalier::formats {
namespace {

/// libpng says what is wrong through this; thrown, not jumped, so that everything is let go on the way out.
struct PngFailure : std::runtime_error {
    using std::runtime_error::runtime_error;
};
[[noreturn]] void fail(png_structp, png_const_charp why)
{
    throw PngFailure(why);
}
void ignore(png_structp, png_const_charp) {}

constexpr std::size_t kLongestText = std::size_t{64} << 20;

bool isAscii(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool isKeyword(std::string_view key)
{
    return !key.empty() && key.size() <= 79 && key.front() != ' ' && key.back() != ' ' && key.find("  ") == key.npos &&
           std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

void setTexts(png_structp png, png_infop info, const PngTexts& texts)
{
    char noLanguage[] = "";
    std::vector<png_text> all;
    for (const auto& [key, text] : texts) {
        png_text one{};
        const bool ascii = isAscii(text), longText = text.size() > 1024;
        one.compression = ascii ? (longText ? PNG_TEXT_COMPRESSION_zTXt : PNG_TEXT_COMPRESSION_NONE)
                                : (longText ? PNG_ITXT_COMPRESSION_zTXt : PNG_ITXT_COMPRESSION_NONE);
        one.key = const_cast<char*>(key.c_str());
        one.text = const_cast<char*>(text.c_str());
        (ascii ? one.text_length : one.itxt_length) = text.size();
        one.lang = one.lang_key = noLanguage;
        all.push_back(one);
    }
    if (!all.empty())
        png_set_text(png, info, all.data(), static_cast<int>(all.size()));
}

std::uint32_t bigEndian(std::span<const std::byte> bytes, std::size_t at)
{
    std::uint32_t v = 0;
    for (std::size_t i = 0; i < 4; ++i)
        v = v << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
    return v;
}

/// Inflates at most kLongestText bytes; nothing when the data are damaged or longer.
bool inflated(std::string_view packed, std::string& text)
{
    z_stream stream{};
    if (inflateInit(&stream) != Z_OK)
        return false;
    const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    char buffer[1 << 14];
    for (;;) {
        stream.next_out = reinterpret_cast<Bytef*>(buffer);
        stream.avail_out = sizeof buffer;
        const int status = inflate(&stream, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END)
            return false;
        text.append(buffer, sizeof buffer - stream.avail_out);
        if (text.size() > kLongestText)
            return false;
        if (status == Z_STREAM_END)
            return true;
    }
}

std::string latin1AsUtf8(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xC0 | byte >> 6);
            out += static_cast<char>(0x80 | (byte & 0x3F));
        }
    }
    return out;
}

/// Keyword and text of one chunk; false when it is damaged.
bool takeText(std::string_view kind, std::string_view data, std::string& key, std::string& text)
{
    const std::size_t zero = data.find('\0');
    if (zero == data.npos || zero == 0)
        return false;
    key = data.substr(0, zero);
    data.remove_prefix(zero + 1);
    if (kind == "tEXt") {
        text = latin1AsUtf8(data);
    } else if (kind == "zTXt") {
        if (data.empty() || data[0] != 0 || !inflated(data.substr(1), text))
            return false;
        text = latin1AsUtf8(text);
    } else { // iTXt: compressed, method, language\0, key in that language\0, text
        if (data.size() < 2)
            return false;
        const bool packed = data[0] != 0;
        data.remove_prefix(2);
        for (int skipped = 0; skipped < 2; ++skipped) {
            const std::size_t end = data.find('\0');
            if (end == data.npos)
                return false;
            data.remove_prefix(end + 1);
        }
        if (!packed)
            text = data;
        else if (!inflated(data, text))
            return false;
    }
    return true;
}

} // namespace

Result<std::string> encodePng(const PixelView& image, const PngTexts& texts)
{
    const auto refuse = [](std::string_view why) { return Error{ErrorCode::Internal, fmt::format("A PNG cannot be made: {}.", why)}; };
    if (image.width <= 0 || image.height <= 0 || (image.channels != 1 && image.channels != 3))
        return refuse(fmt::format("{} × {} with {} channels is no grey or RGB image", image.width, image.height, image.channels));
    const std::size_t rowBytes = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
    if (image.pixels.size() != rowBytes * static_cast<std::size_t>(image.height))
        return refuse(fmt::format("{} bytes do not fill {} × {} pixels", image.pixels.size(), image.width, image.height));
    for (const auto& [key, text] : texts)
        if (!isKeyword(key) || text.find('\0') != text.npos)
            return refuse(fmt::format("a text chunk cannot have the keyword \"{}\" or its text", key));

    std::string bytes;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, fail, ignore);
    png_infop info = png ? png_create_info_struct(png) : nullptr;
    struct Guard {
        png_structp* png;
        png_infop* info;
        ~Guard() { png_destroy_write_struct(png, info); }
    } guard{&png, &info};
    if (!info)
        return Error{ErrorCode::Memory, "A PNG cannot be made: there is no memory left."};
    try {
        png_set_write_fn(
            png, &bytes,
            [](png_structp p, png_bytep data, png_size_t size) {
                static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<const char*>(data), size);
            },
            [](png_structp) {});
        png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                     image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                     PNG_FILTER_TYPE_DEFAULT);
        setTexts(png, info, texts);
        png_write_info(png, info);
        for (int y = 0; y < image.height; ++y)
            png_write_row(png, image.pixels.data() + static_cast<std::size_t>(y) * rowBytes);
        png_write_end(png, nullptr);
    } catch (const PngFailure& failure) {
        return refuse(failure.what());
    }
    return bytes;
}

Result<Done> writePng(const std::filesystem::path& file, const PixelView& image, const PngTexts& texts, Sync sync)
{
    const auto bytes = encodePng(image, texts);
    if (!bytes)
        return bytes.error();
    return writeFileAtomically(file, *bytes, sync);
}

Result<PngTexts> readPngTexts(std::span<const std::byte> png, std::string_view name)
{
    const auto refuse = [&](std::string_view why) {
        return Error{ErrorCode::Format, fmt::format("{} cannot be read as PNG: {}.", name, why)};
    };
    if (png.size() < 8 || std::memcmp(png.data(), "\x89PNG\r\n\x1a\n", 8) != 0)
        return refuse("it does not begin like one");
    PngTexts texts;
    std::size_t total = 0; // many small chunks may inflate a lot together
    for (std::size_t at = 8;;) {
        if (png.size() - at < 12)
            return refuse("it was cut");
        const std::size_t length = bigEndian(png, at);
        if (length > png.size() - at - 12)
            return refuse("it was cut");
        const std::string_view kind(reinterpret_cast<const char*>(png.data()) + at + 4, 4);
        const std::string_view data(reinterpret_cast<const char*>(png.data()) + at + 8, length);
        if (kind == "IEND")
            return texts;
        if (kind == "tEXt" || kind == "zTXt" || kind == "iTXt") {
            const auto crc = crc32(0, reinterpret_cast<const Bytef*>(kind.data()), static_cast<uInt>(length + 4));
            if (crc != bigEndian(png, at + 8 + length))
                return refuse("the checksum of a text is wrong");
            std::string key, text;
            if (!takeText(kind, data, key, text))
                return refuse("a text in it is damaged or too long");
            total += key.size() + text.size();
            if (total > kLongestText)
                return refuse(fmt::format("its texts are longer than {} bytes", kLongestText));
            texts[std::move(key)] = std::move(text);
        }
        at += length + 12;
    }
}

Result<PngTexts> readPngTexts(const std::filesystem::path& file)
{
    const auto bytes = readFile(file);
    if (!bytes)
        return bytes.error();
    return readPngTexts(std::as_bytes(std::span(bytes->data(), bytes->size())), file.string());
}

} // namespace espalier::formats
