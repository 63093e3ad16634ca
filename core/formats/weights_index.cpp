// SPDX-License-Identifier: Apache-2.0
#include "core/formats/weights_index.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/formats/in_quotes.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <string_view>

namespace espalier::formats {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{16} << 20;
constexpr std::size_t kMostFiles = 4096;

Error wrong(const fs::path& index, const std::string& why)
{
    return {ErrorCode::Format, fmt::format("{} {}.", index.string(), why), {}};
}

bool isPlainName(const std::string& name)
{
    return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

Result<double> totalIn(const Json& json, const fs::path& file)
{
    const auto about = json.find("metadata");
    if (about == json.end() || !about->is_object() || !about->contains("total_size"))
        return 0.0;
    const auto& total = (*about)["total_size"];
    if (!total.is_number() || !std::isfinite(total.get<double>()) || total.get<double>() < 0.0)
        return wrong(file, "has a total_size that is no number of bytes");
    return total.get<double>();
}

} // namespace

bool isWeightsIndex(const fs::path& file)
{
    return file.filename().string().ends_with(".index.json");
}

Result<WeightsIndex> readWeightsIndex(const fs::path& file)
{
    const auto text = readFile(file, kMostBytes);
    if (!text)
        return text.error();
    const auto json = parseJson(*text);
    if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() || json["weight_map"].empty())
        return wrong(file, "is no index of weights: it has no weight_map that says which file holds which tensor");
    const auto total = totalIn(json, file);
    if (!total)
        return total.error();
    WeightsIndex index{file, {}, {}, *total};
    std::set<std::string> names;
    for (const auto& [tensor, place] : json["weight_map"].items()) {
        if (!place.is_string())
            return wrong(file, fmt::format("does not name the file of {}", inQuotes(tensor)));
        const auto& name = place.get_ref<const std::string&>();
        if (!isPlainName(name))
            return wrong(file, fmt::format("puts {} into {}, which is not the name of a file beside it", inQuotes(tensor), inQuotes(name)));
        names.insert(name);
        index.fileOf.emplace(tensor, name);
    }
    if (names.size() > kMostFiles)
        return wrong(file, fmt::format("lists {} files, and {} are the most", names.size(), kMostFiles));
    std::error_code ignored;
    for (const auto& name : names)
        if (!fs::is_regular_file(file.parent_path() / name, ignored))
            return wrong(file, fmt::format("lists {}, and there is no such file beside it", inQuotes(name)));
    index.files.assign(names.begin(), names.end());
    return index;
}

Result<Done> checkAgainstIndex(const WeightsIndex& index, const std::vector<std::vector<std::string>>& held, std::uint64_t bytes)
{
    std::map<std::string_view, std::string_view> found;
    for (std::size_t i = 0; i < held.size(); ++i)
        for (const auto& tensor : held[i]) {
            const auto [first, fresh] = found.emplace(tensor, index.files[i]);
            if (!fresh)
                return wrong(index.path, fmt::format("lists files of which two, {} and {}, hold {}", inQuotes(first->second),
                                                     inQuotes(index.files[i]), inQuotes(tensor)));
        }
    for (const auto& [tensor, file] : index.fileOf)
        if (const auto there = found.find(tensor); there == found.end() || there->second != file)
            return wrong(index.path, fmt::format("puts {} into {}, which does not hold it", inQuotes(tensor), inQuotes(file)));
    for (const auto& [tensor, file] : found)
        if (!index.fileOf.contains(std::string(tensor)))
            return wrong(index.path, fmt::format("does not list {}, which {} holds", inQuotes(tensor), inQuotes(file)));
    if (index.totalBytes > static_cast<double>(bytes))
        return wrong(index.path, fmt::format("speaks of {:.0f} bytes of tensors, and its files hold {}; one of them is not whole",
                                             index.totalBytes, bytes));
    return Done{};
}

} // namespace espalier::formats
