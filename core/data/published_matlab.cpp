// SPDX-License-Identifier: Apache-2.0
// Oxford Flowers and Stanford Cars, whose lists are MATLAB files.
#include "core/data/published_set.h"

#include "core/formats/in_quotes.h"
#include "core/formats/mat_file.h"

#include <fmt/format.h>

#include <cmath>
#include <tuple>

namespace espalier::data {

namespace fs = std::filesystem;
using formats::MatFile;
using formats::MatKind;
using formats::MatValue;

namespace {

constexpr std::int64_t kFlowers = 102;

Error lacks(const fs::path& file, std::string_view what)
{
    return {ErrorCode::Format, fmt::format("{} has no {}.", formats::inQuotes(file.string()), what), {}};
}

Result<MatFile> readMat(const fs::path& file)
{
    const auto bytes = readList(file);
    if (!bytes)
        return bytes.error();
    return MatFile::parse(std::as_bytes(std::span(bytes->data(), bytes->size())), file.string());
}

/// A whole number from 1, as MATLAB counts; 0 when it is none.
std::int64_t countedNumber(const MatValue* value, std::size_t at = 0)
{
    if (!value || value->kind != MatKind::Numbers || at >= value->numbers.size())
        return 0;
    const double number = value->numbers[at];
    return number >= 1.0 && number <= 1e9 && number == std::floor(number) ? static_cast<std::int64_t>(number) : 0;
}

/// The images that one file of annotations lists. Newer files say of each image whether it is a test image.
Result<Done> addCars(SetListing& listing, const fs::path& list, const char* nameField, const std::string& folder,
                     std::optional<Split> split)
{
    const auto mat = readMat(list);
    if (!mat)
        return mat.error();
    const auto* annotations = mat->find("annotations");
    if (!annotations || annotations->kind != MatKind::Structs)
        return lacks(list, "annotations");
    for (std::int64_t i = 0; i < annotations->size(); ++i) {
        const auto* name = annotations->field(i, nameField);
        const auto label = countedNumber(annotations->field(i, "class"));
        if (!name || name->kind != MatKind::Text || label == 0)
            return lacks(list, fmt::format("file name and class for image {}", i + 1));
        const bool test = split ? *split == Split::Test : countedNumber(annotations->field(i, "test")) == 1;
        listing.images.push_back({folder + name->text, -1, static_cast<std::int32_t>(label - 1), test ? Split::Test : Split::Train});
    }
    return Done{};
}

Result<Done> addCarNames(SetListing& listing, const fs::path& list)
{
    const auto mat = readMat(list);
    if (!mat)
        return mat.error();
    const auto* names = mat->find("class_names");
    if (!names || names->kind != MatKind::Cells)
        return lacks(list, "class_names");
    for (const auto& name : names->items)
        listing.classNames.push_back(name.text);
    return Done{};
}

} // namespace

Result<SetListing> listFlowers(const fs::path& from)
{
    const auto labelFile = from / "imagelabels.mat", splitFile = from / "setid.mat";
    const auto labels = readMat(labelFile), splits = readMat(splitFile);
    if (!labels)
        return labels.error();
    if (!splits)
        return splits.error();
    const auto* classes = labels->find("labels");
    if (!classes || classes->kind != MatKind::Numbers)
        return lacks(labelFile, "labels");
    SetListing listing;
    listing.root = from;
    listing.note = "Training and validation images of setid.mat became train/, its test images val/.";
    for (std::int64_t i = 1; i <= kFlowers; ++i)
        listing.classNames.push_back(fmt::format("{:03}", i)); // the files of the set have no names for them
    for (const auto& [variable, split] : {std::pair{"trnid", Split::Train}, {"valid", Split::Train}, {"tstid", Split::Test}}) {
        const auto* images = splits->find(variable);
        if (!images || images->kind != MatKind::Numbers)
            return lacks(splitFile, variable);
        for (std::size_t i = 0; i < images->numbers.size(); ++i) {
            const auto image = countedNumber(images, i);
            const auto label = image > 0 ? countedNumber(classes, static_cast<std::size_t>(image - 1)) : 0;
            if (label == 0 || label > kFlowers)
                return Error{ErrorCode::Format,
                             fmt::format("{} names an image in {} of which {} has no class.", formats::inQuotes(splitFile.string()),
                                         variable, formats::inQuotes(labelFile.string())),
                             {}};
            listing.images.push_back({fmt::format("jpg/image_{:05}.jpg", image), -1, static_cast<std::int32_t>(label - 1), split});
        }
    }
    return listing;
}

Result<SetListing> listCars(const fs::path& from)
{
    std::error_code none;
    SetListing listing;
    listing.root = from;
    if (fs::exists(from / "cars_annos.mat", none)) { // one file for both sets
        if (auto names = addCarNames(listing, from / "cars_annos.mat"); !names)
            return names.error();
        if (auto added = addCars(listing, from / "cars_annos.mat", "relative_im_path", "", {}); !added)
            return added.error();
        return listing;
    }
    if (auto names = addCarNames(listing, from / "devkit" / "cars_meta.mat"); !names)
        return names.error();
    if (auto added = addCars(listing, from / "devkit" / "cars_train_annos.mat", "fname", "cars_train/", Split::Train); !added)
        return added.error();
    const char* test = "cars_test_annos_withlabels.mat"; // distributed beside the devkit
    const auto list = fs::exists(from / test, none) ? from / test : from / "devkit" / test;
    if (!fs::exists(list, none) && !fs::exists(from / "cars_test", none)) {
        listing.note = "There are no test images here: val/ was not made.";
        return listing;
    }
    if (auto added = addCars(listing, list, "fname", "cars_test/", Split::Test); !added)
        return added.error();
    return listing;
}

} // namespace espalier::data
