// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_codecs.h"

#include <png.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::formats::codecs {
namespace {

[[noreturn]] void fail(png_structp, png_const_charp why)
{
    const std::string_view text = why;
    throw Refusal(text.find("Read Error") != text.npos || text.find("Not enough") != text.npos ? "was cut"
                                                                                               : "is damaged (" + std::string(text) + ")");
}
void ignore(png_structp, png_const_charp) {}

struct Source {
    std::span<const std::byte> rest;
};

void pull(png_structp png, png_bytep into, png_size_t size)
{
    auto& source = *static_cast<Source*>(png_get_io_ptr(png));
    if (size > source.rest.size())
        png_error(png, "Read Error");
    std::memcpy(into, source.rest.data(), size);
    source.rest = source.rest.subspan(size);
}

class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) : m_source{bytes}
    {
        m_png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, fail, ignore);
        m_info = m_png ? png_create_info_struct(m_png) : nullptr;
        try {
            readHeader();
        } catch (...) { // a constructor that throws has no destructor
            png_destroy_read_struct(&m_png, &m_info, nullptr);
            throw;
        }
    }
    ~Reader() { png_destroy_read_struct(&m_png, &m_info, nullptr); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    int width() const { return static_cast<int>(png_get_image_width(m_png, m_info)); }
    int height() const { return static_cast<int>(png_get_image_height(m_png, m_info)); }

    Image decode()
    {
        const int colour = png_get_color_type(m_png, m_info), depth = png_get_bit_depth(m_png, m_info);
        const bool clipped = colour == PNG_COLOR_TYPE_GRAY && depth == 16;
        if (colour == PNG_COLOR_TYPE_PALETTE)
            png_set_palette_to_rgb(m_png);
        else if (depth < 8)
            png_set_expand_gray_1_2_4_to_8(m_png);
        if (depth == 16 && !clipped)
            png_set_strip_16(m_png);
        png_set_strip_alpha(m_png); // also what a palette's tRNS becomes
        if (!(colour & PNG_COLOR_MASK_COLOR) && !clipped)
            png_set_gray_to_rgb(m_png);
        png_set_interlace_handling(m_png);
        png_read_update_info(m_png, m_info);
        return clipped ? wideGrey() : readRows();
    }

private:
    void readHeader()
    {
        if (!m_info)
            throw std::bad_alloc();
        png_set_user_limits(m_png, 0x7FFFFFFF, 0x7FFFFFFF); // the caller has its own limit
        png_set_crc_action(m_png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
        // Texts and profiles are not looked at; unread, they cannot be bombs.
        static const png_byte skipped[] = "zTXt\0iTXt\0tEXt\0iCCP\0eXIf\0sPLT";
        png_set_keep_unknown_chunks(m_png, PNG_HANDLE_CHUNK_NEVER, skipped, 6);
        png_set_read_fn(m_png, &m_source, pull);
        png_read_info(m_png, m_info);
    }

    Image readRows()
    {
        Image image = Image::ofSize(width(), height());
        const std::size_t rowBytes = png_get_rowbytes(m_png, m_info);
        if (rowBytes != static_cast<std::size_t>(width()) * 3)
            throw Refusal("has an unexpected layout");
        std::vector<png_bytep> rows(static_cast<std::size_t>(height()));
        for (int y = 0; y < height(); ++y)
            rows[static_cast<std::size_t>(y)] = image.row(y);
        png_read_image(m_png, rows.data());
        png_read_end(m_png, nullptr);
        return image;
    }

    /// 16-bit grey keeps its value and is clipped at 255, which is what a conversion to 8 bits does in Pillow.
    Image wideGrey()
    {
        const std::size_t rowBytes = png_get_rowbytes(m_png, m_info);
        std::vector<png_byte> wide(rowBytes * static_cast<std::size_t>(height()));
        std::vector<png_bytep> rows(static_cast<std::size_t>(height()));
        for (std::size_t y = 0; y < rows.size(); ++y)
            rows[y] = wide.data() + y * rowBytes;
        png_read_image(m_png, rows.data());
        png_read_end(m_png, nullptr);
        Image image = Image::ofSize(width(), height());
        std::uint8_t* out = image.rgb.data();
        for (std::size_t i = 0; i + 1 < wide.size(); i += 2, out += 3)
            std::fill_n(out, 3, static_cast<std::uint8_t>(wide[i] ? 255 : wide[i + 1]));
        return image;
    }

    Source m_source;
    png_structp m_png = nullptr;
    png_infop m_info = nullptr;
};

} // namespace

const Codec& png()
{
    static const Codec codec{[](std::span<const std::byte> bytes) {
                                 // The header alone: its place is fixed, and a size of 0 must not reach the library's own refusal.
                                 if (bytes.size() < 33 || std::memcmp(bytes.data() + 12, "IHDR", 4) != 0)
                                     throw Refusal(bytes.size() < 33 ? "was cut" : "has no header");
                                 const auto number = [&](std::size_t at) {
                                     std::uint32_t v = 0;
                                     for (std::size_t i = 0; i < 4; ++i)
                                         v = v << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
                                     return v > 0x7FFFFFFF ? 0 : static_cast<int>(v);
                                 };
                                 return Size{number(16), number(20)};
                             },
                             [](std::span<const std::byte> bytes, const DecodeOptions&) { return Reader(bytes).decode(); }};
    return codec;
}

} // namespace espalier::formats::codecs
