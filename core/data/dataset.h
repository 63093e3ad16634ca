// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/log.h"
#include "core/base/result.h"
#include "core/config/data_config.h"
#include "core/formats/image.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace espalier::data {

enum class Split { Train, Test };
const char* nameOf(Split split); // "train", "test"

/// A list of square RGB images, 8 bits a channel, with or without a class each. Immutable: every method may be called from any thread.
class Dataset {
public:
    virtual ~Dataset() = default;

    virtual std::int64_t size() const = 0;
    /// Width and height of every image that `read` gives.
    virtual int side() const = 0;
    /// In the order of the labels; empty: this set has no labels.
    virtual const std::vector<std::string>& classNames() const = 0;
    /// The class of an image without decoding it; -1 without labels.
    virtual std::int32_t label(std::int64_t index) const = 0;
    /// Writes side × side × 3 bytes, row by row. An error concerns this image alone: others may still be read.
    virtual Result<Done> read(std::int64_t index, std::span<std::uint8_t> hwc, std::int32_t& label) const = 0;

    /// False for a set of latents alone, whose `read` is refused.
    virtual bool hasPixels() const { return true; }
    /// The image before it is cut to a square, for those who cut it themselves. A set of squares gives them as `read` does.
    virtual Result<formats::Image> original(std::int64_t index, std::int32_t& label) const;

    /// What a person calls this image: its file, or its place in the set.
    virtual std::string nameOf(std::int64_t index) const = 0;
    /// One line: "garden, train: 50 000 images in 10 classes".
    virtual std::string description() const = 0;
    /// Equal for equal lists of images in equal order, whatever their side: what a resumed run compares.
    virtual std::string fingerprint() const = 0;
    /// Files that were found beside the images and are none.
    virtual std::int64_t skippedFiles() const { return 0; }

    std::size_t imageBytes() const { return static_cast<std::size_t>(side()) * static_cast<std::size_t>(side()) * 3; }
};

/// Opens what the settings name. `dataFolder` is where sets lie when `data.path` is empty. What was skipped or guessed goes to `log`.
Result<std::shared_ptr<const Dataset>> open(const config::DataConfig& config, Split split, const std::filesystem::path& dataFolder,
                                            const Log& log);

} // namespace espalier::data
