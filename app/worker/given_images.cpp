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

/// Fills `into` with the images that come next, and says how many there were.
Result<std::int64_t> fill(formats::NpzImages& images, const at::Tensor& into, const std::string& flag)
{
    std::int64_t got = 0;
    for (const auto bytes = images.imageBytes(); got < into.size(0);) {
        const auto read = images.next(
            {into.data_ptr<std::uint8_t>() + got * static_cast<std::int64_t>(bytes), static_cast<std::size_t>(into.size(0) - got) * bytes});
        if (!read)
            return named(read.error(), flag);
        if (*read == 0)
            break;
        got += *read;
    }
    return got;
}

at::Tensor roomFor(const formats::NpzImages& images, std::int64_t count)
{
    return at::empty({count, images.height(), images.width(), 3}, at::kByte);
}

Result<at::Tensor> readNpz(const GivenImages& given, std::int64_t count)
{
    auto images = openNpz(given);
    if (!images)
        return images.error();
    const auto all = roomFor(*images, std::min(count, images->count()));
    const auto got = fill(*images, all, given.flag);
    return got ? Result<at::Tensor>(all.narrow(0, 0, *got)) : got.error();
}

Result<Done> visitNpz(const GivenImages& given, std::int64_t count, const std::function<Result<Done>(const at::Tensor&)>& look)
{
    constexpr std::int64_t kBatch = 256;
    auto images = openNpz(given);
    if (!images)
        return images.error();
    count = std::min(count, images->count());
    const auto room = roomFor(*images, std::min(kBatch, count));
    for (std::int64_t done = 0; done < count;) {
        const auto got = fill(*images, room.narrow(0, 0, std::min(kBatch, count - done)), given.flag);
        if (!got)
            return got.error();
        if (*got == 0)
            break;
        if (auto looked = look(room.narrow(0, 0, *got)); !looked)
            return looked.error();
        done += *got;
    }
    return Done{};
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

Result<Done> GivenImages::visit(std::int64_t side, std::int64_t count, const Log& log, std::stop_token stop,
                                const std::function<Result<Done>(const at::Tensor&)>& look) const
{
    if (isNpz())
        return visitNpz(*this, count, look);
    const auto images = read(side, count, log, stop);
    return images ? look(*images) : images.error();
}

Error otherSize(const GivenImages& given, const at::Tensor& images, std::int64_t height, std::int64_t width)
{
    return {ErrorCode::Usage,
            fmt::format("{}: {} holds images of {}x{} pixels, and {}x{} are needed. Bring them to that size first.", given.flag,
                        given.path.string(), images.size(2), images.size(1), width, height),
            {}};
}

Result<generation::SetScore> scoreAgainst(const at::Tensor& real, const at::Tensor& samples, at::Device device, parallel::Crew& crew,
                                          const evaluation::RandomDistance::Tick& tick)
{
    const auto n = std::min(samples.size(0), real.size(0)), half = n / 2;
    if (n < 2)
        return Error{ErrorCode::Usage, "A distance needs at least two images on each side.", {}};
    const auto mine = samples.narrow(0, 0, n), theirs = real.narrow(0, 0, n);
    using evaluation::RandomDistance;
    const auto distance = RandomDistance::make(theirs, device, crew, tick);
    if (!distance)
        return distance.error();
    const auto found = (*distance)(mine, crew, tick);
    if (!found)
        return found.error();
    generation::SetScore score{.distance = {found->value, found->spread}, .images = n, .about = generation::aboutRandomFeatures()};
    const auto ceiling = (*distance)(RandomDistance::noise(n, real.size(1), real.size(2)), crew, tick);
    if (!ceiling)
        return ceiling.error();
    score.ceiling = ceiling->value;
    if (half >= 2) {
        const auto first = RandomDistance::make(real.narrow(0, 0, half), device, crew, tick);
        const auto floor = first ? (*first)(real.narrow(0, half, half), crew, tick) : Result<RandomDistance::Score>(first.error());
        if (!floor)
            return floor.error();
        score.floor = floor->value;
    }
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
