// SPDX-License-Identifier: Apache-2.0
#include "core/data/dataset.h"

#include "core/data/augmentation.h"
#include "core/data/cifar.h"
#include "core/data/feature_folder.h"
#include "core/data/garden.h"
#include "core/data/image_folder.h"

#include <new>

namespace espalier::data {

namespace {

Result<std::shared_ptr<const Dataset>> openNamed(const config::DataConfig& config, Split split, const std::filesystem::path& dataFolder,
                                                 const Log& log)
{
    const int side = static_cast<int>(config.side);
    const std::filesystem::path place = config.path.empty() ? dataFolder : std::filesystem::path(config.path);
    switch (config.source) {
    case config::DataSource::Cifar10:
    case config::DataSource::Cifar100: {
        const auto kind = config.source == config::DataSource::Cifar10 ? CifarKind::Cifar10 : CifarKind::Cifar100;
        return openCifar(place, {kind, split, side, filterOf(config.resize)}, log);
    }
    case config::DataSource::Folder:
        if (config.path.empty())
            return Error{ErrorCode::Usage, "data.path is empty; name the folder that holds the images.", {}};
        return openImageFolder(
            place, {split, side, {filterOf(config.resize), config.crop == config::CentreCrop::Adm, config.cropRatio}, config.scaledJpeg},
            log);
    case config::DataSource::Features: {
        auto folder = openFeatureFolder(place, {.side = side});
        if (!folder)
            return folder.error();
        return std::shared_ptr<const Dataset>(*folder);
    }
    case config::DataSource::Garden:
        break;
    }
    return openGarden(static_cast<std::uint64_t>(config.gardenSeed), split, split == Split::Train ? config.gardenTrain : config.gardenTest,
                      side);
}

} // namespace

const char* nameOf(Split split)
{
    return split == Split::Train ? "train" : "test";
}

Result<formats::Image> Dataset::original(std::int64_t index, std::int32_t& label) const
{
    auto image = formats::Image::ofSize(side(), side());
    if (auto done = read(index, image.rgb, label); !done)
        return done.error();
    return image;
}

Result<std::shared_ptr<const Dataset>> open(const config::DataConfig& config, Split split, const std::filesystem::path& dataFolder,
                                            const Log& log)
{
    try {
        return openNamed(config, split, dataFolder, log);
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::Memory, "No memory left to open the data set.", {}};
    } catch (const std::filesystem::filesystem_error& e) {
        return Error{ErrorCode::Io, "The data set could not be opened; check data.path.", e.what()};
    }
}

} // namespace espalier::data
