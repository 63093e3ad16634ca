// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files made on the spot, where no golden one is needed.

#include "core/formats/image.h"
#include "tests/support/golden.h"

#include <tiffio.h>
#include <webp/encode.h>
#include <zlib.h>

#include <string>

namespace espalier::tests {

using formats::Image;

inline Image noise(int width, int height)
{
    Image image = Image::ofSize(width, height);
    const auto u = goldenUniform("input:decode", image.rgb.size());
    for (std::size_t i = 0; i < u.size(); ++i)
        image.rgb[i] = static_cast<std::uint8_t>((u[i] + 1) * 128);
    return image;
}

inline std::string webpOf(const Image& image)
{
    std::uint8_t* out = nullptr;
    const std::size_t size = WebPEncodeLosslessRGB(image.rgb.data(), image.width, image.height, image.width * 3, &out);
    std::string bytes(reinterpret_cast<char*>(out), size);
    WebPFree(out);
    return bytes;
}

struct TiffLayout {
    int compression = COMPRESSION_NONE;
    bool tiled = false, separate = false;
    int bits = 8;
};

inline std::string tiffOf(const std::filesystem::path& file, const Image& image, const TiffLayout& layout)
{
    TIFF* t = TIFFOpen(file.c_str(), "w");
    TIFFSetField(t, TIFFTAG_IMAGEWIDTH, image.width);
    TIFFSetField(t, TIFFTAG_IMAGELENGTH, image.height);
    TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, 3);
    TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, layout.bits);
    TIFFSetField(t, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
    TIFFSetField(t, TIFFTAG_COMPRESSION, layout.compression);
    TIFFSetField(t, TIFFTAG_PLANARCONFIG, layout.separate ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
    const int tile = 16, rows = layout.tiled ? tile : 5, columns = layout.tiled ? tile : image.width;
    if (layout.tiled) {
        TIFFSetField(t, TIFFTAG_TILEWIDTH, tile);
        TIFFSetField(t, TIFFTAG_TILELENGTH, tile);
    } else {
        TIFFSetField(t, TIFFTAG_ROWSPERSTRIP, rows);
    }
    const int planes = layout.separate ? 3 : 1;
    for (int plane = 0; plane < planes; ++plane)
        for (int top = 0; top < image.height; top += rows)
            for (int left = 0; left < image.width; left += columns) {
                std::vector<std::uint8_t> block;
                for (int y = top; y < top + rows; ++y)
                    for (int x = left; x < left + columns; ++x)
                        for (int c = layout.separate ? plane : 0; c < (layout.separate ? plane + 1 : 3); ++c) {
                            const std::uint8_t v = y < image.height && x < image.width ? image.row(y)[x * 3 + c] : 0;
                            if (layout.bits == 16)
                                block.push_back(77); // the low byte, little endian
                            block.push_back(v);
                        }
                if (layout.tiled)
                    TIFFWriteTile(t, block.data(), static_cast<std::uint32_t>(left), static_cast<std::uint32_t>(top), 0,
                                  static_cast<std::uint16_t>(plane));
                else {
                    const auto used =
                        block.size() / static_cast<std::size_t>(rows) * static_cast<std::size_t>(std::min(rows, image.height - top));
                    TIFFWriteEncodedStrip(t, TIFFComputeStrip(t, static_cast<std::uint32_t>(top), static_cast<std::uint16_t>(plane)),
                                          block.data(), static_cast<tmsize_t>(used));
                }
            }
    TIFFClose(t);
    return *readFile(file);
}

inline std::string octal(std::uint64_t value, int digits)
{
    std::string text(static_cast<std::size_t>(digits) + 1, '\0');
    for (int i = digits; i-- > 0; value >>= 3)
        text[static_cast<std::size_t>(i)] = static_cast<char>('0' + (value & 7));
    return text;
}

/// One member as ustar writes it.
inline std::string tarMember(const std::string& name, const std::string& content, char type = '0', std::uint64_t claimed = ~0ull)
{
    std::string header(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
    put(0, name.substr(0, 100));
    put(100, octal(0644, 7));
    put(124, octal(claimed == ~0ull ? content.size() : claimed, 11));
    header[156] = type;
    put(257, std::string("ustar\0"
                         "00",
                         8));
    put(148, "        ");
    unsigned sum = 0;
    for (const char c : header)
        sum += static_cast<unsigned char>(c);
    put(148, octal(sum, 6));
    std::string padded = content;
    padded.resize((content.size() + 511) / 512 * 512, '\0');
    return header + padded;
}
inline const std::string kTarEnd(1024, '\0');

inline std::string gzipped(const std::string& data)
{
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&stream, data.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

} // namespace espalier::tests
