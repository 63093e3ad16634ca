// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/data/cifar.h"
#include "core/data/dataset.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::data {

/// Sets of images that AutoProg-Zero fine-tunes on.
enum class PublishedSet { Flowers, Cub, Cars, ArtBench };
const char* nameOf(PublishedSet set); // "flowers", "cub", "cars", "artbench"
std::optional<PublishedSet> publishedSetNamed(std::string_view name);

/// One image as the lists of a set have it.
struct ListedImage {
    std::string file;       // below SetListing::root; for rows the name of the file to be
    std::int64_t row = -1;  // of SetListing::rows; -1: a file
    std::int32_t label = 0; // from 0
    Split split = Split::Train;
};

/// A set as its authors distribute it, read from its list files: nothing was looked for but them.
struct SetListing {
    std::filesystem::path root;
    std::vector<std::string> classNames; // as the authors write them
    std::vector<ListedImage> images;
    std::shared_ptr<const CifarRows> rows; // images of 32 pixels in batches
    std::string note;                      // what a person should know of the split; may be empty
};

/// Reads the lists in `from`, or in the folder that the set unpacks to below it. Lists come from elsewhere: what is damaged, names a file
/// outside of `from` or the same image twice is refused.
Result<SetListing> listPublished(PublishedSet set, const std::filesystem::path& from);

/// Oxford Flowers 102: jpg/, imagelabels.mat, setid.mat. Train and validation images are the training set.
Result<SetListing> listFlowers(const std::filesystem::path& from);
/// CUB-200-2011: images.txt, image_class_labels.txt, classes.txt, train_test_split.txt, images/.
Result<SetListing> listCub(const std::filesystem::path& from);
/// Stanford Cars: cars_annos.mat and car_ims/, or devkit/, cars_train/ and cars_test/.
Result<SetListing> listCars(const std::filesystem::path& from);
/// ArtBench-10: artbench-10-imagefolder-split/, or artbench-10-imagefolder/ with ArtBench-10.csv, or batches as those of CIFAR-10.
Result<SetListing> listArtBench(const std::filesystem::path& from);

/// The content of a list file of a set; an error says that it is needed.
Result<std::string> readList(const std::filesystem::path& file);
/// A name of a class as a folder may be called on any system: no separators, control characters, or dots and blanks at its ends.
std::string folderName(std::string_view className);

} // namespace espalier::data
