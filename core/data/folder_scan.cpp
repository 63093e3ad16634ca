// SPDX-License-Identifier: Apache-2.0
#include "core/data/folder_scan.h"

#include <fmt/format.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace espalier::data {

namespace fs = std::filesystem;

namespace {

std::string lowerCase(std::string text)
{
    for (char& c : text)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return text;
}

bool looksLikeImage(const fs::path& file)
{
    static constexpr std::array<std::string_view, 7> kExtensions{".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"};
    // Not path::extension(): a file that is called ".png" has one for torchvision.
    const std::string name = lowerCase(file.filename().string());
    return std::any_of(kExtensions.begin(), kExtensions.end(), [&](std::string_view e) { return name.ends_with(e); });
}

Error unreadable(const fs::path& folder, const std::error_code& why)
{
    return {ErrorCode::Io,
            fmt::format("The folder {} cannot be read: {}. Check its permissions.", printable(folder.string()), why.message()),
            {}};
}

/// What lies directly in a folder, links followed, sorted by name.
struct Listing {
    std::vector<std::string> folders, images;
    std::int64_t others = 0;
};

Result<Listing> list(const fs::path& folder)
{
    std::error_code failed;
    fs::directory_iterator entries(folder, failed);
    if (failed)
        return unreadable(folder, failed);
    Listing listing;
    for (; entries != fs::directory_iterator(); entries.increment(failed)) {
        std::error_code dangling; // a link to nothing, a pipe, a device: no image, and never opened
        if (entries->is_directory(dangling))
            listing.folders.push_back(entries->path().filename().string());
        else if (looksLikeImage(entries->path()) && entries->is_regular_file(dangling))
            listing.images.push_back(entries->path().filename().string());
        else
            ++listing.others;
        if (failed)
            return unreadable(folder, failed);
    }
    if (failed)
        return unreadable(folder, failed);
    std::sort(listing.folders.begin(), listing.folders.end());
    std::sort(listing.images.begin(), listing.images.end());
    return listing;
}

constexpr std::size_t kMostFolders = 1'000'000; // links that branch again and again make endless trees

using FolderId = std::pair<std::uint64_t, std::uint64_t>; // device and inode

std::optional<FolderId> idOf(const fs::path& folder)
{
    struct ::stat info {};
    if (::stat(folder.c_str(), &info) != 0)
        return {};
    return FolderId{info.st_dev, info.st_ino};
}

/// All folders at and under `folder`, links followed, but never into a folder that contains the link.
Result<Done> collectFolders(const fs::path& root, const std::string& relative, std::vector<FolderId>& above,
                            std::vector<std::pair<std::string, Listing>>& all)
{
    const auto id = idOf(root / relative);
    if (!id || std::find(above.begin(), above.end(), *id) != above.end())
        return Done{};
    auto listing = list(root / relative);
    if (!listing)
        return listing.error();
    if (all.size() >= kMostFolders)
        return Error{ErrorCode::Format,
                     fmt::format("{} holds more than {} folders; its links may lead round in circles.",
                                 printable((root / relative).string()), kMostFolders),
                     {}};
    above.push_back(*id);
    const std::vector<std::string> children = std::move(listing->folders);
    all.emplace_back(relative, std::move(*listing));
    for (const auto& child : children)
        if (auto done = collectFolders(root, relative + "/" + child, above, all); !done)
            return done;
    above.pop_back();
    return Done{};
}

/// Adds all images at and under root/className; how many.
Result<std::int64_t> addClass(FolderScan& scan, const std::string& className, std::optional<std::int32_t> label)
{
    std::vector<FolderId> above;
    std::vector<std::pair<std::string, Listing>> all;
    if (auto done = collectFolders(scan.root, className, above, all); !done)
        return done.error();
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::int64_t added = 0;
    for (const auto& [folder, listing] : all) {
        scan.skipped += listing.others;
        for (const auto& image : listing.images) {
            scan.files.add(folder.empty() ? image : folder + "/" + image);
            if (label)
                scan.labels.push_back(*label);
            ++added;
        }
    }
    return added;
}

constexpr std::array<std::string_view, 4> kTestNames{"val", "valid", "validation", "test"}; // the first that is there counts

std::optional<std::string> named(const std::vector<std::string>& folders, std::string_view wanted)
{
    for (const auto& folder : folders)
        if (lowerCase(folder) == wanted)
            return folder;
    return {};
}
std::optional<std::string> testFolderOf(const std::vector<std::string>& folders)
{
    for (const auto name : kTestNames)
        if (auto folder = named(folders, name))
            return folder;
    return {};
}

/// Which folder holds the images of a split; nothing when there is only one set of images.
struct Layout {
    std::optional<fs::path> train, test;
    bool isParent = false;
};

Layout recognise(const fs::path& root, const Listing& listing)
{
    const auto train = named(listing.folders, "train"), test = testFolderOf(listing.folders);
    const bool onlySplits = std::all_of(listing.folders.begin(), listing.folders.end(), [](const std::string& folder) {
        return folder.starts_with(".") || lowerCase(folder) == "train" ||
               std::count(kTestNames.begin(), kTestNames.end(), lowerCase(folder));
    });
    Layout layout;
    // A data set of vehicles may well have a class called "train": alone, among others, it is a class.
    if ((train && test) || ((train || test) && onlySplits)) {
        layout.isParent = true;
        if (train)
            layout.train = root / *train;
        if (test)
            layout.test = root / *test;
        return layout;
    }
    layout.train = root;
    if (lowerCase(root.filename().string()) == "train") // its sister is the test set
        if (auto sisters = list(root.parent_path()); sisters)
            if (auto sister = testFolderOf(sisters->folders))
                layout.test = root.parent_path() / *sister;
    return layout;
}

/// Class folders with at least one image; what to do about the others is decided here.
Result<Done> addClasses(FolderScan& scan, const std::vector<std::string>& folders, const std::vector<std::string>& trainClasses,
                        const Log& log)
{
    std::vector<std::string> empty;
    for (const auto& folder : folders) {
        std::int32_t label = static_cast<std::int32_t>(scan.classNames.size());
        if (!trainClasses.empty()) {
            const auto at = std::lower_bound(trainClasses.begin(), trainClasses.end(), folder);
            if (at == trainClasses.end() || *at != folder) {
                if (folder.starts_with("."))
                    continue;
                return Error{ErrorCode::Format,
                             fmt::format("{} in {} is no class of the training images; give both sets the same class folders.",
                                         printable(folder), printable(scan.root.string())),
                             {}};
            }
            label = static_cast<std::int32_t>(at - trainClasses.begin());
        }
        const auto added = addClass(scan, folder, label);
        if (!added)
            return added.error();
        if (*added > 0 || !trainClasses.empty()) {
            if (trainClasses.empty())
                scan.classNames.push_back(folder);
        } else {
            empty.push_back(folder);
        }
    }
    if (!trainClasses.empty())
        scan.classNames = trainClasses;
    if (scan.files.size() == 0)
        return Done{};
    for (const auto& folder : empty) {
        if (!folder.starts_with("."))
            return Error{
                ErrorCode::Format,
                fmt::format("The class folder {} in {} holds no image (PNG, JPEG, WebP, BMP, TIFF); remove it or put images into it.",
                            printable(folder), printable(scan.root.string())),
                {}};
        if (log)
            log(LogLevel::Warning, fmt::format("The hidden folder {} holds no image and is no class.", printable(folder)));
    }
    return Done{};
}

Result<FolderScan> scanRoot(const fs::path& root, const std::vector<std::string>& trainClasses, const Log& log)
{
    auto listing = list(root);
    if (!listing)
        return listing.error();
    FolderScan scan;
    scan.root = root;
    if (auto added = addClasses(scan, listing->folders, trainClasses, log); !added)
        return added.error();
    if (scan.files.size() > 0) {
        const auto loose = static_cast<std::int64_t>(listing->images.size());
        scan.skipped += listing->others + loose;
        if (loose > 0 && log)
            log(LogLevel::Warning, fmt::format("{} images lie beside the class folders of {} and belong to no class: skipped.", loose,
                                               printable(root.string())));
        return scan;
    }
    scan = {};
    scan.root = root;
    scan.skipped = listing->others;
    for (const auto& image : listing->images)
        scan.files.add(image);
    if (scan.files.size() == 0)
        return Error{ErrorCode::Io,
                     fmt::format("There is no image (PNG, JPEG, WebP, BMP, TIFF) in {}; put class folders with images into it, or "
                                 "choose another folder for data.path.",
                                 printable(root.string())),
                     {}};
    return scan;
}

} // namespace

std::string printable(std::string_view name)
{
    std::string text = "\"";
    for (const char c : name)
        text += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    return text + '"';
}

Result<FolderScan> scanFolder(const fs::path& given, Split split, const Log& log)
{
    std::error_code none;
    fs::path root = fs::absolute(given, none).lexically_normal();
    if (!root.has_filename())
        root = root.parent_path(); // a slash at the end
    if (!fs::is_directory(root, none))
        return Error{ErrorCode::Io,
                     fmt::format("There is no folder {}; choose the folder of the images for data.path.", printable(root.string())),
                     {}};
    const auto listing = list(root);
    if (!listing)
        return listing.error();
    const Layout layout = recognise(root, *listing);
    const auto& wanted = split == Split::Train ? layout.train : layout.test;
    if (!wanted)
        return Error{ErrorCode::Io,
                     split == Split::Train
                         ? fmt::format("{} has a test set but no folder train; put the training images there.", printable(root.string()))
                         : fmt::format("{} has no test images; put them into a folder val or test beside train.", printable(root.string())),
                     {}};
    if (layout.isParent && log)
        log(LogLevel::Info, fmt::format("{} images come from {}.", nameOf(split), printable(wanted->string())));
    if (split == Split::Train || !layout.train)
        return scanRoot(*wanted, {}, log);
    const auto train = scanRoot(*layout.train, {}, {}); // labels mean the same in both sets
    if (!train)
        return train.error();
    return scanRoot(*wanted, train->classNames, log);
}

} // namespace espalier::data
