// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_codecs.h"

#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace espalier::formats::codecs {
namespace {

// ── A TIFF in memory ──

struct Source {
    std::span<const std::byte> bytes;
    std::uint64_t at = 0;
    std::string firstError;
};

Source& sourceOf(thandle_t handle)
{
    return *static_cast<Source*>(handle);
}
tmsize_t pull(thandle_t handle, void* into, tmsize_t size)
{
    Source& s = sourceOf(handle);
    if (size < 0 || s.at >= s.bytes.size())
        return 0;
    const auto got = std::min<std::uint64_t>(static_cast<std::uint64_t>(size), s.bytes.size() - s.at);
    std::memcpy(into, s.bytes.data() + s.at, got);
    s.at += got;
    return static_cast<tmsize_t>(got);
}
tmsize_t refuseWrite(thandle_t, void*, tmsize_t)
{
    return 0;
}
toff_t seek(thandle_t handle, toff_t offset, int whence)
{
    Source& s = sourceOf(handle);
    s.at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? s.at + offset : s.bytes.size() + offset;
    return s.at;
}
int closeNothing(thandle_t)
{
    return 0;
}
toff_t sizeOfSource(thandle_t handle)
{
    return sourceOf(handle).bytes.size();
}
int keepError(TIFF*, void* user, const char*, const char* format, va_list arguments)
{
    auto& first = static_cast<Source*>(user)->firstError;
    if (first.empty()) {
        char text[200];
        std::vsnprintf(text, sizeof text, format, arguments);
        first = text;
    }
    return 1;
}
int ignoreWarning(TIFF*, void*, const char*, const char*, va_list)
{
    return 1;
}

/// What the fields of an image say, checked.
struct Layout {
    std::uint32_t width = 0, height = 0;
    std::uint16_t bits = 1, samples = 1, photometric = PHOTOMETRIC_MINISBLACK, planar = PLANARCONFIG_CONTIG, format = SAMPLEFORMAT_UINT;
    bool premultiplied = false; // the sample after the colours is associated alpha
    int colours() const
    {
        return photometric == PHOTOMETRIC_SEPARATED ? 4 : photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_YCBCR ? 3 : 1;
    }
};

class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) : m_source{bytes, 0, {}}
    {
        const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
        if (!options)
            throw std::bad_alloc();
        TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keepError, &m_source);
        TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignoreWarning, nullptr);
        TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), std::max<tmsize_t>(tmsize_t{1} << 30, static_cast<tmsize_t>(bytes.size())));
        m_tiff.reset(TIFFClientOpenExt("memory", "rm", &m_source, pull, refuseWrite, seek, closeNothing, sizeOfSource, nullptr, nullptr,
                                       options.get()));
        if (!m_tiff)
            damaged();
        readLayout();
    }

    Size size() const { return {static_cast<int>(m_layout.width), static_cast<int>(m_layout.height)}; }

    Image decode()
    {
        refuseUnknownKinds();
        if (m_layout.photometric == PHOTOMETRIC_PALETTE)
            readPalette();
        Image image = Image::ofSize(size().width, size().height);
        if (TIFFIsTiled(m_tiff.get()))
            readTiles(image);
        else
            readStrips(image);
        return image;
    }

private:
    struct Close {
        void operator()(TIFF* tiff) const { TIFFClose(tiff); }
    };

    [[noreturn]] void damaged() const
    {
        const auto& why = m_source.firstError;
        const bool cut = why.find("Read error") != why.npos || why.find("not enough") != why.npos || why.find("Not enough") != why.npos ||
                         why.find("Cannot read") != why.npos || why.find("Can not read") != why.npos || why.find("Premature") != why.npos;
        throw Refusal(cut ? "was cut" : why.empty() ? "is damaged" : "is damaged (" + why + ")");
    }

    void readLayout()
    {
        TIFF* t = m_tiff.get();
        Layout& l = m_layout;
        if (!TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &l.width) || !TIFFGetField(t, TIFFTAG_IMAGELENGTH, &l.height))
            throw Refusal("does not give its size");
        if (l.width > INT32_MAX || l.height > INT32_MAX)
            throw Refusal("gives an impossible size");
        TIFFGetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &l.bits);
        TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLESPERPIXEL, &l.samples);
        TIFFGetFieldDefaulted(t, TIFFTAG_PLANARCONFIG, &l.planar);
        TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLEFORMAT, &l.format);
        if (!TIFFGetField(t, TIFFTAG_PHOTOMETRIC, &l.photometric))
            l.photometric = l.samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
        std::uint16_t extras = 0, *kinds = nullptr, compression = COMPRESSION_NONE;
        TIFFGetFieldDefaulted(t, TIFFTAG_EXTRASAMPLES, &extras, &kinds);
        l.premultiplied = extras > 0 && kinds && kinds[0] == EXTRASAMPLE_ASSOCALPHA;
        TIFFGetFieldDefaulted(t, TIFFTAG_COMPRESSION, &compression);
        if (l.photometric == PHOTOMETRIC_YCBCR && compression == COMPRESSION_JPEG) {
            TIFFSetField(t, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB); // the JPEG library turns it into RGB
            l.photometric = PHOTOMETRIC_RGB;
        }
    }

    void refuseUnknownKinds() const
    {
        const Layout& l = m_layout;
        const bool known = l.photometric == PHOTOMETRIC_MINISBLACK || l.photometric == PHOTOMETRIC_MINISWHITE ||
                           l.photometric == PHOTOMETRIC_RGB || l.photometric == PHOTOMETRIC_PALETTE ||
                           l.photometric == PHOTOMETRIC_SEPARATED;
        if (!known)
            throw Refusal("has a colour space that is not read; save it as PNG");
        if (l.format != SAMPLEFORMAT_UINT && l.format != SAMPLEFORMAT_VOID)
            throw Refusal("holds numbers that are no unsigned integers");
        if (l.bits != 1 && l.bits != 2 && l.bits != 4 && l.bits != 8 && l.bits != 16)
            throw Refusal("has " + std::to_string(l.bits) + " bits a sample");
        if (l.samples < l.colours() || l.samples > 16)
            throw Refusal("has " + std::to_string(l.samples) + " samples a pixel");
        if (l.photometric == PHOTOMETRIC_PALETTE && l.bits > 8)
            throw Refusal("has a palette of more than 256 colours");
    }

    void readPalette()
    {
        std::uint16_t *r = nullptr, *g = nullptr, *b = nullptr;
        if (!TIFFGetField(m_tiff.get(), TIFFTAG_COLORMAP, &r, &g, &b))
            throw Refusal("has no palette");
        for (std::size_t i = 0; i < std::size_t{1} << m_layout.bits; ++i)
            for (const std::uint16_t* channel : {r, g, b})
                m_palette.push_back(static_cast<std::uint8_t>(channel[i] >> 8));
    }

    int planes() const { return m_layout.planar == PLANARCONFIG_SEPARATE ? m_layout.samples : 1; }
    int samplesInPlane() const { return m_layout.planar == PLANARCONFIG_SEPARATE ? 1 : m_layout.samples; }

    void readTiles(Image& image)
    {
        std::uint32_t tileWidth = 0, tileHeight = 0;
        TIFFGetField(m_tiff.get(), TIFFTAG_TILEWIDTH, &tileWidth);
        TIFFGetField(m_tiff.get(), TIFFTAG_TILELENGTH, &tileHeight);
        const tmsize_t tileBytes = TIFFTileSize(m_tiff.get()), rowBytes = TIFFTileRowSize(m_tiff.get());
        if (tileWidth == 0 || tileHeight == 0)
            damaged();
        beginBlocks(tileBytes, rowBytes, tileWidth, tileHeight);
        for (std::uint32_t y = 0; y < m_layout.height; y += tileHeight)
            for (std::uint32_t x = 0; x < m_layout.width; x += tileWidth) {
                for (int plane = 0; plane < planes(); ++plane)
                    if (TIFFReadTile(m_tiff.get(), block(plane), x, y, 0, static_cast<std::uint16_t>(plane)) != tileBytes)
                        damaged();
                placeBlock(image, x, y, std::min(tileWidth, m_layout.width - x), std::min(tileHeight, m_layout.height - y));
            }
    }

    void readStrips(Image& image)
    {
        std::uint32_t rows = m_layout.height;
        TIFFGetFieldDefaulted(m_tiff.get(), TIFFTAG_ROWSPERSTRIP, &rows);
        rows = std::clamp(rows, std::uint32_t{1}, m_layout.height);
        const tmsize_t rowBytes = TIFFScanlineSize(m_tiff.get());
        beginBlocks(TIFFStripSize(m_tiff.get()), rowBytes, m_layout.width, rows);
        for (std::uint32_t y = 0; y < m_layout.height; y += rows) {
            const std::uint32_t here = std::min(rows, m_layout.height - y);
            for (int plane = 0; plane < planes(); ++plane) {
                const auto strip = TIFFComputeStrip(m_tiff.get(), y, static_cast<std::uint16_t>(plane));
                if (TIFFReadEncodedStrip(m_tiff.get(), strip, block(plane), rowBytes * here) != rowBytes * here)
                    damaged();
            }
            placeBlock(image, 0, y, m_layout.width, here);
        }
    }

    /// Room for one strip or tile of every plane.
    void beginBlocks(tmsize_t bytes, tmsize_t rowBytes, std::uint32_t width, std::uint32_t height)
    {
        const std::uint64_t need = (std::uint64_t{width} * static_cast<unsigned>(samplesInPlane()) * m_layout.bits + 7) / 8;
        if (bytes <= 0 || rowBytes <= 0 || static_cast<std::uint64_t>(rowBytes) < need ||
            static_cast<std::uint64_t>(bytes) < static_cast<std::uint64_t>(rowBytes) * height)
            throw Refusal("gives sizes of its parts that do not fit together");
        if (static_cast<std::uint64_t>(bytes) * static_cast<unsigned>(planes()) > std::uint64_t{4} << 30)
            throw Refusal("has a part larger than 4 GiB");
        m_blockBytes = static_cast<std::size_t>(bytes);
        m_rowBytes = static_cast<std::size_t>(rowBytes);
        m_blocks.assign(m_blockBytes * static_cast<std::size_t>(planes()), 0);
    }
    std::uint8_t* block(int plane) { return m_blocks.data() + m_blockBytes * static_cast<std::size_t>(plane); }

    void placeBlock(Image& image, std::uint32_t left, std::uint32_t top, std::uint32_t width, std::uint32_t height)
    {
        for (std::uint32_t y = 0; y < height; ++y) {
            std::uint8_t* to = image.row(static_cast<int>(top + y)) + std::size_t{left} * 3;
            for (std::uint32_t x = 0; x < width; ++x, to += 3)
                writePixel(y, x, to);
        }
    }

    unsigned sample(std::uint32_t y, std::uint32_t x, int index)
    {
        const bool separate = m_layout.planar == PLANARCONFIG_SEPARATE;
        const std::uint8_t* row = block(separate ? index : 0) + m_rowBytes * y;
        const std::size_t place =
            std::size_t{x} * static_cast<std::size_t>(samplesInPlane()) + static_cast<std::size_t>(separate ? 0 : index);
        if (m_layout.bits == 8)
            return row[place];
        if (m_layout.bits == 16) {
            std::uint16_t v;
            std::memcpy(&v, row + place * 2, 2); // the library has swapped it to native order
            return v;
        }
        const std::size_t bit = place * m_layout.bits;
        return row[bit / 8] >> (8 - m_layout.bits - bit % 8) & ((1u << m_layout.bits) - 1);
    }

    /// To 8 bits: fewer are spread over the range, of 16 the upper ones count.
    std::uint8_t colour(std::uint32_t y, std::uint32_t x, int index)
    {
        const unsigned v = sample(y, x, index);
        if (m_layout.bits == 16)
            return static_cast<std::uint8_t>(v >> 8);
        return static_cast<std::uint8_t>(v * (255u / ((1u << m_layout.bits) - 1)));
    }

    void writePixel(std::uint32_t y, std::uint32_t x, std::uint8_t* to)
    {
        switch (m_layout.photometric) {
        case PHOTOMETRIC_PALETTE:
            std::copy_n(m_palette.data() + std::size_t{sample(y, x, 0)} * 3, 3, to);
            return;
        case PHOTOMETRIC_MINISBLACK:
        case PHOTOMETRIC_MINISWHITE: {
            // Wide grey is clipped, as for PNG.
            unsigned v = m_layout.bits == 16 ? sample(y, x, 0) : colour(y, x, 0);
            if (m_layout.photometric == PHOTOMETRIC_MINISWHITE)
                v = (m_layout.bits == 16 ? 65535u : 255u) - v;
            std::fill_n(to, 3, static_cast<std::uint8_t>(std::min(v, 255u)));
            return;
        }
        case PHOTOMETRIC_SEPARATED: {
            const int white = 255 - colour(y, x, 3);
            for (int c = 0; c < 3; ++c) {
                const int product = colour(y, x, c) * white + 128;
                to[c] = static_cast<std::uint8_t>(std::clamp(white - ((product + (product >> 8)) >> 8), 0, 255));
            }
            return;
        }
        default:
            for (int c = 0; c < 3; ++c)
                to[c] = colour(y, x, c);
            if (m_layout.premultiplied && m_layout.samples > 3)
                divideBy(colour(y, x, 3), to);
        }
    }

    static void divideBy(unsigned alpha, std::uint8_t* to)
    {
        for (int c = 0; c < 3; ++c)
            to[c] = static_cast<std::uint8_t>(alpha ? std::min(to[c] * 255u / alpha, 255u) : 0);
    }

    Source m_source;
    std::unique_ptr<TIFF, Close> m_tiff;
    Layout m_layout;
    std::vector<std::uint8_t> m_palette, m_blocks;
    std::size_t m_blockBytes = 0, m_rowBytes = 0;
};

} // namespace

const Codec& tiff()
{
    static const Codec codec{[](std::span<const std::byte> bytes) { return Reader(bytes).size(); },
                             [](std::span<const std::byte> bytes, const DecodeOptions&) { return Reader(bytes).decode(); }};
    return codec;
}

} // namespace espalier::formats::codecs
