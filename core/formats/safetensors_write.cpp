// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.h"
#include "core/formats/in_quotes.h"
#include "core/formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace espalier::formats {
namespace {

std::string headerText(const std::vector<SafetensorsItem>& items, const std::vector<std::uint64_t>& sizes,
                       const std::map<std::string, std::string>& metadata)
{
    Json header = Json::object();
    if (!metadata.empty())
        header["__metadata__"] = metadata;
    std::uint64_t at = 0;
    // Appended without a search: ordered_json looks through all keys at every [], and names are known to differ.
    auto& object = header.get_ref<Json::object_t&>();
    for (std::size_t i = 0; i < items.size(); ++i) {
        Json entry = {{"dtype", nameOf(items[i].dtype)}, {"shape", items[i].shape}, {"data_offsets", {at, at + sizes[i]}}};
        static_cast<std::vector<std::pair<const std::string, Json>>&>(object).emplace_back(items[i].name, std::move(entry));
        at += sizes[i];
    }
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
}

/// In pieces, so that what is hashed is still in the cache when it is written.
Result<Done> writeInPieces(AtomicOutput& out, std::span<const std::byte> bytes)
{
    constexpr std::size_t kPiece = std::size_t{1} << 20;
    for (std::size_t at = 0; at < bytes.size(); at += kPiece)
        if (const auto done = out.write(bytes.subspan(at, std::min(kPiece, bytes.size() - at))); !done)
            return done.error();
    return Done{};
}

} // namespace

Result<WrittenFile> writeSafetensors(const std::filesystem::path& file, std::vector<SafetensorsItem> items,
                                     const std::map<std::string, std::string>& metadata, Sync sync)
{
    const auto refuse = [&](std::string_view why) {
        return Error{ErrorCode::Internal, fmt::format("{} cannot be written as safetensors: {}.", file.string(), why)};
    };
    std::sort(items.begin(), items.end(),
              [](const auto& a, const auto& b) { return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name; });
    std::vector<std::uint64_t> sizes;
    std::vector<std::string> names;
    for (const auto& item : items) {
        const auto size = byteCount(item.dtype, item.shape);
        if (!size)
            return refuse(fmt::format("the shape of tensor {} makes no whole number of bytes", inQuotes(item.name)));
        if (item.name == "__metadata__")
            return refuse("no tensor may be called __metadata__");
        sizes.push_back(*size);
        names.push_back(item.name);
    }
    std::sort(names.begin(), names.end());
    if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
        return refuse(fmt::format("two tensors are called {}", inQuotes(*twice)));

    std::string header;
    try {
        header = headerText(items, sizes, metadata);
    } catch (const Json::exception& error) { // a name or text that is no UTF-8
        return Error{ErrorCode::Internal, fmt::format("{} cannot be written as safetensors: a name or text is not UTF-8.", file.string()),
                     error.what()};
    }
    auto out = AtomicOutput::create(file);
    if (!out)
        return out.error();
    std::array<std::byte, 8> length{};
    for (std::size_t i = 0; i < 8; ++i)
        length[i] = static_cast<std::byte>(static_cast<std::uint64_t>(header.size()) >> (8 * i));
    if (const auto done = out->write(length); !done)
        return done.error();
    if (const auto done = out->write(header); !done)
        return done.error();
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto bytes = items[i].bytes();
        if (!bytes)
            return bytes.error();
        if (bytes->size() != sizes[i])
            return refuse(fmt::format("tensor {} came with {} bytes instead of {}", inQuotes(items[i].name), bytes->size(), sizes[i]));
        if (const auto done = writeInPieces(*out, *bytes); !done)
            return done.error();
    }
    return out->commit(sync);
}

} // namespace espalier::formats
