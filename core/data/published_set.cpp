// SPDX-License-Identifier: Apache-2.0
#include "core/data/published_set.h"

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/formats/in_quotes.h"

#include <fmt/format.h>

#include <array>
#include <new>
#include <set>
#include <utility>

namespace espalier::data {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::pair<PublishedSet, const char*>, 4> kNames{
    {{PublishedSet::Flowers, "flowers"}, {PublishedSet::Cub, "cub"}, {PublishedSet::Cars, "cars"}, {PublishedSet::ArtBench, "artbench"}}};
constexpr std::size_t kLongestName = 120;

/// Whether a path of a list stays below its folder.
bool staysInside(const fs::path& path)
{
    if (path.empty() || path.is_absolute())
        return false;
    for (const auto& part : path)
        if (part == ".." || part == "." || part.empty())
            return false;
    return path.string().find('\0') == std::string::npos;
}

Result<Done> checkListing(const SetListing& listing)
{
    if (listing.images.empty() || listing.classNames.empty())
        return Error{ErrorCode::Format, fmt::format("The lists in {} name no image.", formats::inQuotes(listing.root.string())), {}};
    std::set<std::string_view> seen;
    for (const auto& image : listing.images) {
        if (!staysInside(image.file))
            return Error{ErrorCode::Format,
                         fmt::format("The lists in {} name {}, which is no file below it.", formats::inQuotes(listing.root.string()),
                                     formats::inQuotes(image.file)),
                         {}};
        if (!seen.insert(image.file).second)
            return Error{
                ErrorCode::Format,
                fmt::format("The lists in {} name {} twice.", formats::inQuotes(listing.root.string()), formats::inQuotes(image.file)),
                {}};
        if (image.label < 0 || image.label >= static_cast<std::int64_t>(listing.classNames.size()))
            return Error{ErrorCode::Format,
                         fmt::format("{} has the class {}, and there are {}.", formats::inQuotes(image.file), image.label + 1,
                                     listing.classNames.size()),
                         {}};
    }
    return Done{};
}

Result<SetListing> listOf(PublishedSet set, const fs::path& from)
{
    switch (set) {
    case PublishedSet::Cub:
        return listCub(from);
    case PublishedSet::Cars:
        return listCars(from);
    case PublishedSet::ArtBench:
        return listArtBench(from);
    case PublishedSet::Flowers:
        break;
    }
    return listFlowers(from);
}

} // namespace

const char* nameOf(PublishedSet set)
{
    for (const auto& [known, name] : kNames)
        if (known == set)
            return name;
    return "";
}

std::optional<PublishedSet> publishedSetNamed(std::string_view name)
{
    for (const auto& [known, text] : kNames)
        if (name == text)
            return known;
    return {};
}

Result<std::string> readList(const fs::path& file)
{
    std::error_code none;
    if (!fs::is_regular_file(file, none))
        return Error{ErrorCode::Usage,
                     fmt::format("There is no {} in {}; unpack the set there as its authors distribute it.",
                                 formats::inQuotes(file.filename().string()), formats::inQuotes(file.parent_path().string())),
                     {}};
    return readFile(file, std::uint64_t{128} << 20);
}

std::string folderName(std::string_view className)
{
    std::string name;
    for (std::size_t at = 0; at < className.size();) {
        const auto length = utf8Length(className.substr(at));
        const auto letter = static_cast<unsigned char>(className[at]);
        const bool odd =
            length == 0 || letter < 0x20 || letter == 0x7F || std::string_view("/\\:*?\"<>|").find(className[at]) != std::string_view::npos;
        if (name.size() + length > kLongestName)
            break;
        if (odd)
            name += '-';
        else
            name += className.substr(at, length);
        at += length == 0 ? 1 : length;
    }
    while (!name.empty() && (name.back() == ' ' || name.back() == '.'))
        name.pop_back();
    name.erase(0, std::min(name.find_first_not_of(" ."), name.size()));
    return name.empty() ? "class" : name;
}

Result<SetListing> listPublished(PublishedSet set, const fs::path& from)
{
    try {
        std::error_code none;
        if (!fs::is_directory(from, none))
            return Error{ErrorCode::Usage, fmt::format("There is no folder {}.", formats::inQuotes(from.string())), {}};
        auto listing = listOf(set, from);
        if (!listing)
            return listing;
        if (auto sound = checkListing(*listing); !sound)
            return sound.error();
        return listing;
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::Memory, fmt::format("No memory left to read the lists in {}.", formats::inQuotes(from.string())), {}};
    } catch (const fs::filesystem_error& error) {
        return Error{ErrorCode::Io, fmt::format("The lists in {} could not be read.", formats::inQuotes(from.string())), error.what()};
    }
}

} // namespace espalier::data
