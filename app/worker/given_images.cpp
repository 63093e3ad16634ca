// SPDX-License-Identifier: Apache-2.0
#include "app/worker/given_images.h"

#include "core/base/files.h"
#include "core/data/folder_scan.h"
#include "core/formats/image_decode.h"
#include "core/formats/npz.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace espalier::worker {
namespace {

/// Folders are opened as data sets are, but the person named this one with a flag.
Error named(Error error, const std::string& flag)
{
    static constexpr std::string_view kSetting = "data.path";
    if (const auto at = error.message.find(kSetting); at != std::string::npos)
        error.message.replace(at, kSetting.size(), flag);
    else
        error.message = fmt::format("{}: {}", flag, error.message);
    return error;
}

Result<formats::NpzImages> openNpz(const GivenImages& given)
{
    auto reader = formats::NpzReader::open(given.path);
    if (!reader)
        return named(reader.error(), given.flag);
    auto images = reader->images("arr_0");
    if (!images)
        return named(images.error(), given.flag);
    if (images->channels() != 3)
        return Error{
            ErrorCode::Usage, fmt::format("{}: {} holds grey images; three channels are needed.", given.flag, given.path.string()), {}};
    return images;
}

Result<at::Tensor> readNpz(const GivenImages& given, std::int64_t count)
{
    auto images = openNpz(given);
    if (!images)
        return images.error();
    const auto n = std::min(count, images->count());
    auto all = at::empty({n, images->height(), images->width(), 3}, at::kByte);
    for (std::int64_t got = 0; got < n;) {
        const auto bytes = images->imageBytes();
        const auto read = images->next(
            {all.data_ptr<std::uint8_t>() + got * static_cast<std::int64_t>(bytes), static_cast<std::size_t>(n - got) * bytes});
        if (!read)
            return named(read.error(), given.flag);
        if (*read == 0)
            return all.narrow(0, 0, got);
        got += *read;
    }
    return all;
}

/// A folder that sample or evaluate filled holds a picture of all images beside them, which is none of them.
bool isDrawn(const std::filesystem::path& folder)
{
    std::error_code error;
    return std::filesystem::exists(folder / "recipe.json", error) && std::filesystem::exists(folder / "00000.png", error);
}

Result<at::Tensor> readDrawn(const GivenImages& given, std::int64_t count)
{
    std::vector<formats::Image> images;
    for (std::error_code error; static_cast<std::int64_t>(images.size()) < count;) {
        const auto file = given.path / fmt::format("{:05d}.png", images.size());
        if (!images.empty() && !std::filesystem::exists(file, error))
            break;
        auto image = formats::decodeImageFile(file);
        if (!image)
            return named(image.error(), given.flag);
        if (!images.empty() && (image->width != images[0].width || image->height != images[0].height))
            return Error{ErrorCode::Format, fmt::format("{}: {} has another size than the images before it.", given.flag, file.string())};
        images.push_back(std::move(*image));
    }
    auto all = at::empty({static_cast<std::int64_t>(images.size()), images[0].height, images[0].width, 3}, at::kByte);
    auto* to = all.data_ptr<std::uint8_t>();
    for (const auto& image : images)
        to = std::copy(image.rgb.begin(), image.rgb.end(), to);
    return all;
}

} // namespace

Result<std::int64_t> GivenImages::side() const
{
    if (isNpz()) {
        const auto images = openNpz(*this);
        return images ? Result<std::int64_t>(images->height()) : images.error();
    }
    auto file = path / "00000.png";
    if (!isDrawn(path)) {
        const auto scan = data::scanFolder(path, data::Split::Train, {});
        if (!scan)
            return named(scan.error(), flag);
        file = scan->root / scan->files[0];
    }
    const auto first = formats::decodeImageFile(file);
    if (!first)
        return named(first.error(), flag);
    return std::min<std::int64_t>({first->width, first->height, 1024});
}

Result<at::Tensor> GivenImages::read(std::int64_t side, std::int64_t count, const Log& log, std::stop_token stop) const
{
    if (isNpz())
        return readNpz(*this, count);
    if (isDrawn(path))
        return readDrawn(*this, count);
    config::DataConfig folder;
    folder.source = config::DataSource::Folder;
    folder.path = path.string();
    folder.side = side;
    const auto dataset = data::open(folder, data::Split::Train, {}, log);
    if (!dataset)
        return named(dataset.error(), flag);
    auto images = generation::realImages(**dataset, 0, count, stop);
    if (!images)
        return images.error();
    const auto wanted = std::min(count, (*dataset)->size());
    if (const auto missing = wanted - images->size(0); missing > 0) {
        if (missing * 100 > wanted)
            return Error{
                ErrorCode::Format,
                fmt::format("{}: {} of {} images in {} cannot be read; repair or remove them.", flag, missing, wanted, path.string()),
                {}};
        if (log)
            log(LogLevel::Warning, fmt::format("{}: skipped {} images in {} that cannot be read.", flag, missing, path.string()));
    }
    return images;
}

Result<generation::SetScore> scoreAgainst(const at::Tensor& real, const at::Tensor& samples, at::Device device,
                                          const evaluation::RandomDistance::Tick& tick)
{
    const auto n = std::min(samples.size(0), real.size(0)), half = n / 2;
    if (n < 2)
        return Error{ErrorCode::Usage, "A distance needs at least two images on each side.", {}};
    const auto mine = samples.narrow(0, 0, n), theirs = real.narrow(0, 0, n);
    const evaluation::RandomDistance distance(theirs, device, tick);
    generation::SetScore score{distance(mine, tick), 0.0, 0.0, n, std::nullopt};
    score.ceiling = distance(evaluation::RandomDistance::noise(n, real.size(1), real.size(2)), tick).value;
    if (half >= 2)
        score.floor = evaluation::RandomDistance(real.narrow(0, 0, half), device, tick)(real.narrow(0, half, half), tick).value;
    evaluation::NearestSearch search(mine);
    search.add(theirs, 0);
    score.nearest = search.result();
    return score;
}

std::string pixelsSha256(const at::Tensor& images)
{
    const auto flat = images.contiguous();
    return sha256(std::as_bytes(std::span(flat.data_ptr<std::uint8_t>(), static_cast<std::size_t>(flat.numel()))));
}

} // namespace espalier::worker
