// SPDX-License-Identifier: Apache-2.0
// CUB-200-2011 and ArtBench-10, whose lists are text, folders or batches.
#include "core/data/published_set.h"

#include "core/formats/in_quotes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace espalier::data {

namespace fs = std::filesystem;

namespace {

constexpr std::array<const char*, 10> kStyles{"art_nouveau", "baroque",     "expressionism", "impressionism", "post_impressionism",
                                              "realism",     "renaissance", "romanticism",   "surrealism",    "ukiyo_e"};

Error wrongLine(const fs::path& file, std::size_t line, std::string_view why)
{
    return {ErrorCode::Format, fmt::format("Line {} of {} {}.", line, formats::inQuotes(file.string()), why), {}};
}

std::optional<std::int64_t> wholeNumber(std::string_view text)
{
    std::int64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || value < 0 || value > 100'000'000)
        return {};
    return value;
}

/// "number rest" in each line of a list of CUB: the rest by the number.
Result<std::map<std::int64_t, std::string>> readNumbered(const fs::path& file)
{
    const auto text = readList(file);
    if (!text)
        return text.error();
    std::map<std::int64_t, std::string> entries;
    std::size_t line = 0;
    for (std::size_t at = 0; at < text->size(); ++line) {
        const auto end = std::min(text->find('\n', at), text->size());
        auto words = std::string_view(*text).substr(at, end - at);
        at = end + 1;
        while (!words.empty() && (words.back() == '\r' || words.back() == ' '))
            words.remove_suffix(1);
        if (words.empty())
            continue;
        const auto blank = words.find(' ');
        const auto number = wholeNumber(words.substr(0, blank));
        if (!number || blank == words.npos)
            return wrongLine(file, line + 1, "is no number and what belongs to it");
        if (!entries.emplace(*number, words.substr(blank + 1)).second)
            return wrongLine(file, line + 1, fmt::format("has the number {} again", *number));
    }
    return entries;
}

/// One line of comma-separated values after the other; quoted ones may hold commas, line ends and doubled quotes.
class CsvLines {
public:
    explicit CsvLines(std::string_view text) : m_left(text) {}
    bool next(std::vector<std::string>& values)
    {
        values.clear();
        if (m_left.empty())
            return false;
        values.emplace_back();
        bool quoted = false;
        while (!m_left.empty()) {
            const char c = m_left.front();
            m_left.remove_prefix(1);
            if (quoted) {
                if (c != '"')
                    values.back() += c;
                else if (!m_left.empty() && m_left.front() == '"')
                    values.back() += '"', m_left.remove_prefix(1);
                else
                    quoted = false;
            } else if (c == '"') {
                quoted = true;
            } else if (c == ',') {
                values.emplace_back();
            } else if (c == '\n') {
                break;
            } else if (c != '\r') {
                values.back() += c;
            }
        }
        return true;
    }

private:
    std::string_view m_left;
};

/// Names of what lies in a folder, sorted, those that begin with a dot left out.
std::vector<std::string> namesIn(const fs::path& folder, bool folders)
{
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) {
        std::error_code dangling;
        if ((folders ? entry.is_directory(dangling) : entry.is_regular_file(dangling)) &&
            !entry.path().filename().string().starts_with("."))
            names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

/// Folders of classes: the listing is what lies there.
SetListing listFolders(const fs::path& root, const std::vector<std::pair<std::string, Split>>& parts,
                       const std::map<std::string, Split>& splits)
{
    SetListing listing;
    listing.root = root;
    for (const auto& [part, split] : parts)
        for (const auto& style : namesIn(root / part, true)) {
            auto at = std::find(listing.classNames.begin(), listing.classNames.end(), style);
            if (at == listing.classNames.end())
                at = listing.classNames.insert(at, style);
            const auto label = static_cast<std::int32_t>(at - listing.classNames.begin());
            for (const auto& image : namesIn(root / part / style, false)) {
                if (!image.ends_with(".jpg") && !image.ends_with(".jpeg") && !image.ends_with(".png"))
                    continue;
                const auto listed = splits.find(image);
                const auto file = (fs::path(part) / style / image).string();
                listing.images.push_back({file, -1, label, listed == splits.end() ? split : listed->second});
            }
        }
    return listing;
}

Result<std::map<std::string, Split>> readSplits(const fs::path& file)
{
    const auto text = readList(file);
    if (!text)
        return text.error();
    CsvLines lines(*text);
    std::vector<std::string> values;
    lines.next(values);
    const auto column = [&](const char* name) {
        return static_cast<std::size_t>(std::find(values.begin(), values.end(), name) - values.begin());
    };
    const auto names = column("name"), splits = column("split"), columns = values.size();
    if (names == columns || splits == columns)
        return Error{ErrorCode::Format, fmt::format("{} has no columns name and split.", formats::inQuotes(file.string())), {}};
    std::map<std::string, Split> found;
    while (lines.next(values))
        if (values.size() == columns)
            found[fs::path(values[names]).filename().string()] = values[splits] == "test" ? Split::Test : Split::Train;
    return found;
}

Result<SetListing> listBatches(const fs::path& folder, bool python)
{
    SetListing listing;
    listing.root = folder;
    listing.classNames.assign(kStyles.begin(), kStyles.end());
    auto rows = std::make_shared<CifarRows>();
    for (const auto* name : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
        const auto file = folder / (python ? name : fmt::format("{}.bin", name));
        const auto bytes = readList(file);
        if (!bytes)
            return bytes.error();
        const auto before = rows->size();
        const auto content = std::as_bytes(std::span(bytes->data(), bytes->size()));
        const auto added = python ? rows->appendPython(content, CifarKind::Cifar10, file.string())
                                  : rows->append(content, CifarKind::Cifar10, file.string());
        if (!added)
            return added.error();
        const bool test = std::string_view(name) == "test_batch";
        for (auto row = before; row < rows->size(); ++row)
            listing.images.push_back({fmt::format("{}_{:05}.png", name, row - before), row, rows->labels[static_cast<std::size_t>(row)],
                                      test ? Split::Test : Split::Train});
    }
    listing.rows = std::move(rows);
    return listing;
}

} // namespace

Result<SetListing> listCub(const fs::path& from)
{
    std::error_code none;
    const bool below = !fs::exists(from / "images.txt", none) && fs::exists(from / "CUB_200_2011" / "images.txt", none);
    SetListing listing;
    listing.root = below ? from / "CUB_200_2011" : from;
    const auto& root = listing.root;
    const auto images = readNumbered(root / "images.txt"), labels = readNumbered(root / "image_class_labels.txt"),
               classes = readNumbered(root / "classes.txt"), splits = readNumbered(root / "train_test_split.txt");
    for (const auto* list : {&images, &labels, &classes, &splits})
        if (!*list)
            return list->error();
    std::map<std::int64_t, std::int32_t> order;
    for (const auto& [number, name] : *classes) {
        order.emplace(number, static_cast<std::int32_t>(listing.classNames.size()));
        listing.classNames.push_back(name);
    }
    for (const auto& [number, file] : *images) {
        const auto label = labels->find(number), split = splits->find(number);
        const auto at = label == labels->end() ? order.end() : order.find(wholeNumber(label->second).value_or(-1));
        if (at == order.end() || split == splits->end() || (split->second != "0" && split->second != "1"))
            return Error{ErrorCode::Format,
                         fmt::format("The lists in {} have no class or no split for image {}.", formats::inQuotes(root.string()), number),
                         {}};
        listing.images.push_back({"images/" + file, -1, at->second, split->second == "1" ? Split::Train : Split::Test});
    }
    return listing;
}

Result<SetListing> listArtBench(const fs::path& from)
{
    std::error_code none;
    const auto there = [&](const fs::path& folder) { return fs::is_directory(folder, none); };
    for (const auto& root : {from / "artbench-10-imagefolder-split", from})
        if (there(root / "train") && there(root / "test"))
            return listFolders(root, {{"train", Split::Train}, {"test", Split::Test}}, {});
    if (const auto root = from / "artbench-10-imagefolder"; there(root)) {
        const auto splits = readSplits(from / "ArtBench-10.csv");
        if (!splits)
            return splits.error();
        return listFolders(root, {{"", Split::Train}}, *splits);
    }
    struct Batches {
        const char *archive, *folder; // the archive's own folder, there where all of them were unpacked together
        bool python;
    };
    for (const auto& [archive, folder, python] :
         {Batches{"artbench-10-python", "artbench-10-batches-py", true}, Batches{"artbench-10-binary", "artbench-10-batches-bin", false}})
        for (const auto& root : {from / folder, from / archive / folder, from})
            if (fs::is_regular_file(root / (python ? "test_batch" : "test_batch.bin"), none))
                return listBatches(root, python);
    return Error{ErrorCode::Usage,
                 fmt::format("There is no ArtBench-10 in {}: unpack artbench-10-imagefolder-split, artbench-10-imagefolder with "
                             "ArtBench-10.csv, or the batches of 32 pixels there.",
                             formats::inQuotes(from.string())),
                 {}};
}

} // namespace espalier::data
