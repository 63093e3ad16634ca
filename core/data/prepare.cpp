// SPDX-License-Identifier: Apache-2.0
#include "core/data/prepare.h"

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/formats/in_quotes.h"
#include "core/formats/png.h"

#include <fmt/format.h>

#include <array>
#include <set>

namespace espalier::data {

namespace fs = std::filesystem;

namespace {

constexpr const char* kNote = "espalier-data.json"; // says whose folder it is
constexpr const char* kPartial = ".espalier-partial";
constexpr int kBatchSide = 32;

Error failed(std::string_view doing, const fs::path& path, const std::error_code& why)
{
    return ioError(doing, path, why.value());
}

Json noteOf(const PrepareOptions& options)
{
    return {{"version", 1}, {"set", nameOf(options.set)}, {"split", options.all ? "all" : "published"}};
}

/// A folder that is new, empty, or was begun with the same set and split.
Result<Done> claim(const fs::path& to, const PrepareOptions& options)
{
    std::error_code why;
    fs::create_directories(to, why);
    if (why)
        return failed("make the folder", to, why);
    const bool empty = fs::is_empty(to, why);
    if (why)
        return failed("read the folder", to, why);
    if (empty)
        return writeFileAtomically(to / kNote, noteOf(options).dump(2) + "\n");
    const auto text = readFile(to / kNote, 1 << 16);
    const auto note = text ? Json::parse(*text, nullptr, false) : Json();
    if (!note.is_object())
        return Error{ErrorCode::Usage,
                     fmt::format("{} is not empty and was not made by this command; name a new folder.", formats::inQuotes(to.string())),
                     {}};
    if (note != noteOf(options))
        return Error{
            ErrorCode::Usage, fmt::format("{} holds another set or split already; name a new folder.", formats::inQuotes(to.string())), {}};
    return Done{};
}

/// Names of folders, one for each class and no two the same.
std::vector<std::string> classFolders(const std::vector<std::string>& classNames)
{
    std::set<std::string> taken;
    std::vector<std::string> folders;
    for (const auto& name : classNames) {
        const auto wanted = folderName(name);
        auto folder = wanted;
        for (int more = 2; !taken.insert(folder).second; ++more)
            folder = fmt::format("{} ({})", wanted, more);
        folders.push_back(std::move(folder));
    }
    return folders;
}

class Preparation {
public:
    Preparation(const SetListing& listing, const fs::path& to, const PrepareOptions& options)
        : m_listing(listing), m_to(to), m_options(options), m_folders(classFolders(listing.classNames))
    {
    }

    Result<Done> place(const ListedImage& image)
    {
        const bool test = !m_options.all && image.split == Split::Test;
        const auto source = m_listing.root / image.file;
        const auto folder = m_to / (test ? "val" : "train") / m_folders[static_cast<std::size_t>(image.label)];
        auto name = folderName(fs::path(image.file).filename().string());
        if (!m_placed.insert((folder / name).string()).second) // equal names of other folders
            for (int more = 2; !m_placed.insert((folder / (name = fmt::format("{}-{}", more, name))).string()).second;)
                ++more;
        if (auto put = image.row >= 0 ? write(image.row, folder, name) : link(source, folder, name, image.file); !put)
            return put;
        return Done{};
    }
    void count(const ListedImage& image)
    {
        ++(m_options.all || image.split == Split::Train ? m_done.train : m_done.test);
        m_classes.insert(image.label);
    }
    Prepared finished()
    {
        std::error_code none;
        fs::remove(m_to / kPartial, none);
        m_done.classes = static_cast<std::int64_t>(m_classes.size());
        return std::move(m_done);
    }
    bool lastWasThere() const { return m_there; }

private:
    Result<Done> makeFolder(const fs::path& folder)
    {
        if (!m_made.insert(folder.string()).second)
            return Done{};
        std::error_code why;
        fs::create_directories(folder, why);
        if (why)
            return failed("make the folder", folder, why);
        return Done{};
    }

    Result<Done> link(const fs::path& source, const fs::path& folder, const std::string& name, const std::string& listed)
    {
        std::error_code why;
        const auto real = fs::canonical(source, why); // of a link the file, which is what is wanted
        m_there = !why && fs::is_regular_file(real, why);
        if (!m_there) {
            m_done.missing.push_back(listed);
            return Done{};
        }
        if (auto made = makeFolder(folder); !made)
            return made;
        const auto target = folder / name;
        if (fs::exists(target, why)) {
            if (fs::equivalent(real, target, why) || fs::file_size(real, why) == fs::file_size(target, why)) {
                ++m_done.kept;
                return Done{};
            }
            fs::remove(target, why);
        }
        if (!m_options.copy) {
            fs::create_hard_link(real, target, why);
            if (!why) {
                ++m_done.linked;
                return Done{};
            }
        }
        fs::copy_file(real, m_to / kPartial, fs::copy_options::overwrite_existing, why);
        if (why)
            return failed("copy", real, why);
        fs::rename(m_to / kPartial, target, why);
        if (why)
            return failed("write", target, why);
        ++m_done.copied;
        return Done{};
    }

    /// A row of a batch as a PNG.
    Result<Done> write(std::int64_t row, const fs::path& folder, const std::string& name)
    {
        m_there = true;
        if (auto made = makeFolder(folder); !made)
            return made;
        std::error_code none;
        if (fs::exists(folder / name, none)) {
            ++m_done.kept;
            return Done{};
        }
        constexpr std::size_t kPlane = kBatchSide * kBatchSide;
        auto image = formats::Image::ofSize(kBatchSide, kBatchSide);
        const auto* planes = m_listing.rows->planes.data() + static_cast<std::size_t>(row) * 3 * kPlane;
        for (std::size_t i = 0; i < kPlane; ++i)
            for (std::size_t c = 0; c < 3; ++c)
                image.rgb[i * 3 + c] = planes[c * kPlane + i];
        ++m_done.copied;
        return formats::writePng(folder / name, image);
    }

    const SetListing& m_listing;
    const fs::path m_to;
    const PrepareOptions m_options;
    const std::vector<std::string> m_folders;
    std::set<std::string> m_made, m_placed;
    std::set<std::int32_t> m_classes;
    Prepared m_done;
    bool m_there = false;
};

} // namespace

Result<Prepared> prepare(const SetListing& listing, const fs::path& to, const PrepareOptions& options,
                         const std::function<bool(std::int64_t done, std::int64_t of)>& report)
{
    try {
        if (auto claimed = claim(to, options); !claimed)
            return claimed.error();
        Preparation preparation(listing, to, options);
        std::int64_t done = 0;
        const auto of = static_cast<std::int64_t>(listing.images.size());
        for (const auto& image : listing.images) {
            if (report && !report(done, of))
                return Error{
                    ErrorCode::Cancelled, fmt::format("Stopped after {} of {} images; the same command goes on from there.", done, of), {}};
            if (auto placed = preparation.place(image); !placed)
                return placed.error();
            if (preparation.lastWasThere())
                preparation.count(image);
            ++done;
        }
        return preparation.finished();
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::Memory, "No memory left to prepare the images.", {}};
    } catch (const fs::filesystem_error& error) {
        return Error{ErrorCode::Io, fmt::format("The images could not be prepared in {}.", formats::inQuotes(to.string())), error.what()};
    }
}

} // namespace espalier::data
