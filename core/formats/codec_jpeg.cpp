// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_codecs.h"

#include <cstddef>
#include <cstdio>

#include <jpeglib.h>

#include <jerror.h>

#include <algorithm>
#include <string>
#include <vector>

namespace espalier::formats::codecs {
namespace {

[[noreturn]] void fail(j_common_ptr info)
{
    char why[JMSG_LENGTH_MAX];
    info->err->format_message(info, why);
    throw Refusal(info->err->msg_code == JERR_INPUT_EOF || info->err->msg_code == JERR_INPUT_EMPTY
                      ? "was cut"
                      : "is damaged (" + std::string(why) + ")");
}

/// The library goes on after damage and invents grey. As in Pillow that is allowed, but not a file that ends early.
void onMessage(j_common_ptr info, int level)
{
    if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF)
        throw Refusal("was cut");
}
void ignore(j_common_ptr) {}

/// A progressive file may repeat cheap scans without end.
void onProgress(j_common_ptr info)
{
    if (info->is_decompressor && reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > 500)
        throw Refusal("has more than 500 scans");
}

class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes)
    {
        m_info.err = jpeg_std_error(&m_errors);
        m_errors.error_exit = fail;
        m_errors.emit_message = onMessage;
        m_errors.output_message = ignore;
        jpeg_create_decompress(&m_info);
        m_progress.progress_monitor = onProgress;
        m_info.progress = &m_progress;
        try {
            jpeg_mem_src(&m_info, reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<unsigned long>(bytes.size()));
            jpeg_read_header(&m_info, TRUE);
        } catch (...) {
            jpeg_destroy_decompress(&m_info);
            throw;
        }
    }
    ~Reader() { jpeg_destroy_decompress(&m_info); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    Size size() const { return {static_cast<int>(m_info.image_width), static_cast<int>(m_info.image_height)}; }

    Image decode(int denominator)
    {
        m_info.scale_num = 1;
        m_info.scale_denom = static_cast<unsigned>(denominator);
        const bool fourInks = m_info.jpeg_color_space == JCS_CMYK || m_info.jpeg_color_space == JCS_YCCK;
        m_info.out_color_space = fourInks ? JCS_CMYK : JCS_RGB;
        jpeg_start_decompress(&m_info);
        Image image = Image::ofSize(static_cast<int>(m_info.output_width), static_cast<int>(m_info.output_height));
        std::vector<JSAMPLE> inks(fourInks ? static_cast<std::size_t>(m_info.output_width) * 4 : 0);
        while (m_info.output_scanline < m_info.output_height) {
            std::uint8_t* to = image.row(static_cast<int>(m_info.output_scanline));
            JSAMPROW row = fourInks ? inks.data() : to;
            jpeg_read_scanlines(&m_info, &row, 1);
            if (fourInks)
                multiplyOut(inks, to);
        }
        return image; // not finished: an end marker that is missing after the last row costs no pixel
    }

private:
    /// Inks are stored inverted, as Adobe does; Pillow takes that for granted too.
    static void multiplyOut(const std::vector<JSAMPLE>& inks, std::uint8_t* to)
    {
        for (std::size_t i = 0; i < inks.size(); i += 4) {
            const int white = inks[i + 3];
            for (std::size_t c = 0; c < 3; ++c, ++to) {
                const int ink = 255 - inks[i + c];
                // white - ink * white / 255, the division rounded
                const int product = ink * white + 128;
                *to = static_cast<std::uint8_t>(std::clamp(white - ((product + (product >> 8)) >> 8), 0, 255));
            }
        }
    }

    jpeg_decompress_struct m_info{};
    jpeg_error_mgr m_errors{};
    jpeg_progress_mgr m_progress{};
};

} // namespace

const Codec& jpeg()
{
    static const Codec codec{
        [](std::span<const std::byte> bytes) { return Reader(bytes).size(); },
        [](std::span<const std::byte> bytes, const DecodeOptions& options) { return Reader(bytes).decode(options.jpegDenominator); }};
    return codec;
}

} // namespace espalier::formats::codecs
