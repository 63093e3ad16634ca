// SPDX-License-Identifier: Apache-2.0
// bench_loader make DIR COUNT           writes COUNT JPEG files of 256 x 256 in ten class folders
// bench_loader read DIR [--scaled] [--workers 2] [--batch 64] [--epochs 3] [--side 32]
//                                       prints images per second of our loader, and a checksum of all pixels in the order of the files
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/data/garden.h"
#include "core/data/image_folder.h"
#include "core/data/loader.h"
#include "core/formats/image_resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <jpeglib.h>

namespace {

using namespace espalier;
namespace fs = std::filesystem;

constexpr int kJpegSide = 256;

[[noreturn]] void stop(const Error& error)
{
    std::fprintf(stderr, "bench_loader: %s %s\n", error.message.c_str(), error.detail.c_str());
    std::exit(1);
}

/// A picture of the garden, enlarged, with the grain of a photograph, so that the files are as large as photographs of that size.
formats::Image picture(std::int64_t index)
{
    formats::Image small{128, 128, std::vector<std::uint8_t>(128 * 128 * 3)};
    data::drawGarden(0, data::Split::Train, index, 128, small.rgb);
    auto large = formats::resize(small, kJpegSide, kJpegSide, formats::ResizeFilter::Bicubic);
    for (std::size_t i = 0; i < large.rgb.size(); i += 4) {
        const auto noise = drawBlock(1, Stream::Subset, 0, static_cast<std::uint64_t>(index), static_cast<std::uint32_t>(i / 4));
        for (std::size_t k = 0; k < 4; ++k) {
            const int grain = static_cast<int>(noise.word[k] % 25) - 12;
            large.rgb[i + k] = static_cast<std::uint8_t>(std::clamp(large.rgb[i + k] + grain, 0, 255));
        }
    }
    return large;
}

std::vector<std::uint8_t> asJpeg(const formats::Image& image)
{
    jpeg_compress_struct jpeg{};
    jpeg_error_mgr errors{};
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    unsigned char* bytes = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = static_cast<JDIMENSION>(image.width);
    jpeg.image_height = static_cast<JDIMENSION>(image.height);
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 90, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        auto* row = const_cast<JSAMPROW>(image.rgb.data() + static_cast<std::size_t>(jpeg.next_scanline) * jpeg.image_width * 3);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    std::vector<std::uint8_t> file(bytes, bytes + size);
    std::free(bytes);
    jpeg_destroy_compress(&jpeg);
    return file;
}

void make(const fs::path& folder, std::int64_t count)
{
    for (std::int64_t i = 0; i < count; ++i) {
        const auto classFolder = folder / fmt::format("class_{}", data::gardenLabel(0, data::Split::Train, i));
        fs::create_directories(classFolder);
        const auto file = asJpeg(picture(i));
        const auto path = classFolder / fmt::format("{:05}.jpg", i);
        std::FILE* out = std::fopen(path.c_str(), "wb");
        const bool whole = out && std::fwrite(file.data(), 1, file.size(), out) == file.size();
        if (!out || std::fclose(out) != 0 || !whole)
            stop({ErrorCode::Io, "Could not write " + path.string(), ""});
    }
}

struct Wanted {
    fs::path folder;
    bool scaled = false;
    int workers = 2, epochs = 3, side = 32;
    std::int64_t batch = 64;
};

Json read(const Wanted& wanted)
{
    auto folder =
        data::openImageFolder(wanted.folder, {data::Split::Train, wanted.side, {formats::ResizeFilter::Bicubic}, wanted.scaled}, {});
    if (!folder)
        stop(folder.error());
    const std::shared_ptr<const data::Dataset> images = *folder;
    std::vector<std::uint8_t> pixels(images->imageBytes() * static_cast<std::size_t>(images->size()));
    for (std::int64_t i = 0; i < images->size(); ++i) {
        std::int32_t label = 0;
        const auto one = std::span(pixels).subspan(static_cast<std::size_t>(i) * images->imageBytes(), images->imageBytes());
        if (const auto done = images->read(i, one, label); !done)
            stop(done.error());
    }

    data::LoaderOptions options;
    options.workers = wanted.workers;
    options.augment.flip = false; // as the other side
    options.prefetch = 4 * wanted.workers;
    auto loader = data::Loader::start(images, {wanted.batch, wanted.batch, 1, 0, 1}, {}, options);
    if (!loader)
        stop(loader.error());
    const std::int64_t steps = data::stepsPerEpoch(wanted.batch, images->size());
    std::vector<double> rates;
    for (int epoch = 0; epoch <= wanted.epochs; ++epoch) {
        const auto began = std::chrono::steady_clock::now();
        for (std::int64_t i = 0; i < steps; ++i)
            if (const auto batch = (*loader)->next({}); !batch)
                stop(batch.error());
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        if (epoch > 0)
            rates.push_back(static_cast<double>(steps * wanted.batch) / seconds);
    }
    auto sorted = rates;
    std::sort(sorted.begin(), sorted.end());
    const auto n = sorted.size();
    const double median = n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
    return Json{{"images_per_s", median},
                {"epochs", rates},
                {"sha256", sha256(std::as_bytes(std::span(pixels)))},
                {"images", images->size()},
                {"workers", wanted.workers}};
}

} // namespace

int main(int argc, char** argv)
{
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 3 && words[0] == "make") {
        make(words[1], std::atoll(words[2].c_str()));
        return 0;
    }
    if (words.size() < 2 || words[0] != "read") {
        std::fputs("bench_loader make DIR COUNT | read DIR [--scaled] [--workers N] [--batch N] [--epochs N] [--side N]\n", stderr);
        return 2;
    }
    Wanted wanted;
    wanted.folder = words[1];
    for (std::size_t i = 2; i < words.size(); ++i) {
        const bool more = i + 1 < words.size();
        if (words[i] == "--scaled")
            wanted.scaled = true;
        else if (words[i] == "--workers" && more)
            wanted.workers = std::max(1, std::atoi(words[++i].c_str()));
        else if (words[i] == "--batch" && more)
            wanted.batch = std::max(1, std::atoi(words[++i].c_str()));
        else if (words[i] == "--epochs" && more)
            wanted.epochs = std::max(1, std::atoi(words[++i].c_str()));
        else if (words[i] == "--side" && more)
            wanted.side = std::max(1, std::atoi(words[++i].c_str()));
        else {
            std::fprintf(stderr, "bench_loader: what is %s?\n", words[i].c_str());
            return 2;
        }
    }
    std::printf("%s\n", read(wanted).dump().c_str());
    return 0;
}
