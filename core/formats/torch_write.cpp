// SPDX-License-Identifier: Apache-2.0
#include "core/base/overloaded.h"
#include "core/formats/in_quotes.h"
#include "core/formats/torch_file.h"
#include "core/formats/torch_types.h"
#include "core/formats/zip_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <unordered_set>

namespace espalier::formats {
namespace {

constexpr std::uint64_t kAlignment = 64; // as torch.save has it, for those who map the file
constexpr int kDeepest = 100;

/// Writes a pickle of protocol 2 that names nothing but what torch.load(weights_only=True) allows, and collects the tensors.
class PickleText {
public:
    std::string bytes = "\x80\x02";
    std::vector<const SafetensorsItem*> tensors; // in the order of their storages
    std::string why;

    bool dictionary(const std::vector<TorchNode>& nodes, int depth = 0)
    {
        if (depth > kDeepest)
            return refuse("it is nested too deeply");
        global("collections", "OrderedDict");
        bytes += ")R(";
        std::unordered_set<std::string> keys;
        for (const auto& node : nodes) {
            if (!keys.insert(node.key).second)
                return refuse(fmt::format("two entries are called {}", inQuotes(node.key)));
            text(node.key);
            const bool written = std::visit(Overloaded{[&](const SafetensorsItem& item) { return tensor(item); },
                                                       [&](const TorchTwin& twin) { return again(twin); },
                                                       [&](const std::vector<TorchNode>& inner) { return dictionary(inner, depth + 1); },
                                                       [&](const std::shared_ptr<TorchList>& inner) { return list(*inner, depth + 1); },
                                                       [&](const Json& plain) { return value(plain, depth + 1); }},
                                            node.value);
            if (!written)
                return false;
        }
        bytes += 'u';
        return true;
    }

private:
    bool refuse(std::string reason)
    {
        why = std::move(reason);
        return false;
    }
    void little(std::uint64_t value, int width)
    {
        for (int i = 0; i < width; ++i)
            bytes += static_cast<char>(value >> (8 * i));
    }
    void global(std::string_view module, std::string_view name) { bytes += fmt::format("c{}\n{}\n", module, name); }
    void text(std::string_view value)
    {
        bytes += 'X';
        little(value.size(), 4);
        bytes += value;
    }
    void whole(std::int64_t value)
    {
        if (value >= 0 && value < 256) {
            bytes += 'K';
            little(static_cast<std::uint64_t>(value), 1);
        } else if (value >= INT32_MIN && value <= INT32_MAX) {
            bytes += 'J';
            little(static_cast<std::uint64_t>(value), 4);
        } else {
            bytes += "\x8a\x08";
            little(static_cast<std::uint64_t>(value), 8);
        }
    }
    bool value(const Json& json, int depth)
    {
        if (depth > kDeepest)
            return refuse("it is nested too deeply");
        switch (json.type()) {
        case Json::value_t::null:
            bytes += 'N';
            return true;
        case Json::value_t::boolean:
            bytes += json.get<bool>() ? '\x88' : '\x89';
            return true;
        case Json::value_t::number_unsigned:
            if (json.get<std::uint64_t>() > INT64_MAX)
                return refuse("an integer has more than 63 bits");
            [[fallthrough]];
        case Json::value_t::number_integer:
            whole(json.get<std::int64_t>());
            return true;
        case Json::value_t::number_float: {
            bytes += 'G';
            const auto bits = std::bit_cast<std::uint64_t>(json.get<double>());
            for (int i = 56; i >= 0; i -= 8)
                bytes += static_cast<char>(bits >> i);
            return true;
        }
        case Json::value_t::string:
            text(json.get_ref<const std::string&>());
            return true;
        case Json::value_t::array:
            bytes += "](";
            for (const auto& item : json)
                if (!value(item, depth + 1))
                    return false;
            bytes += 'e';
            return true;
        case Json::value_t::object:
            bytes += "}(";
            for (const auto& [key, item] : json.items()) {
                text(key);
                if (!value(item, depth + 1))
                    return false;
            }
            bytes += 'u';
            return true;
        default:
            return refuse("a value is neither text, number, list nor dictionary");
        }
    }
    bool list(const TorchList& items, int depth)
    {
        bytes += "](";
        for (const auto& item : items.items)
            if (!dictionary(item, depth + 1))
                return false;
        bytes += 'e';
        return true;
    }
    bool again(const TorchTwin& twin)
    {
        const auto found = m_places.find(twin.name);
        return found == m_places.end() ? refuse(fmt::format("there is no tensor {} to have once more", inQuotes(twin.name)))
                                       : view(*tensors[found->second], found->second);
    }
    bool tensor(const SafetensorsItem& item)
    {
        tensors.push_back(&item);
        m_places.emplace(item.name, tensors.size() - 1);
        return view(item, tensors.size() - 1);
    }
    /// The whole of a storage.
    bool view(const SafetensorsItem& item, std::size_t place)
    {
        const auto* type =
            std::find_if(std::begin(kTorchTypes), std::end(kTorchTypes), [&](const TorchType& t) { return t.dtype == item.dtype; });
        const auto size = byteCount(item.dtype, item.shape);
        if (type == std::end(kTorchTypes) || !size)
            return refuse(fmt::format("tensor {} has a type or shape that PyTorch does not know", inQuotes(item.name)));
        // Types without a storage class of their own go through the function that names the type.
        const bool typed = !type->storage.empty();
        const auto itemBytes = typed ? static_cast<std::uint64_t>(bitsOf(item.dtype) / 8) : 1;
        global("torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
        bytes += "((";
        text("storage");
        const auto storage = typed ? type->storage : std::string_view("torch.storage.UntypedStorage");
        global(storage.substr(0, storage.rfind('.')), storage.substr(storage.rfind('.') + 1));
        text(fmt::format("{}", place));
        text("cpu");
        whole(static_cast<std::int64_t>(*size / itemBytes));
        bytes += "tQK";
        bytes += '\0'; // offset
        bytes += '(';
        for (const std::int64_t side : item.shape)
            whole(side);
        bytes += "t(";
        std::vector<std::int64_t> strides(item.shape.size(), 1);
        for (std::size_t i = strides.size(); i-- > 1;)
            strides[i - 1] = strides[i] * std::max<std::int64_t>(item.shape[i], 1);
        for (const std::int64_t stride : strides)
            whole(stride);
        bytes += "t\x89"; // no gradient
        global("collections", "OrderedDict");
        bytes += ")R";
        if (!typed)
            global(type->name.substr(0, type->name.rfind('.')), type->name.substr(type->name.rfind('.') + 1));
        bytes += "tR";
        return true;
    }

    std::unordered_map<std::string, std::size_t> m_places; // of tensors by the names of their items
};

Result<Done> addRecord(ZipWriter& zip, std::string_view name, std::span<const std::byte> bytes)
{
    if (const auto done = zip.begin(fmt::format("archive/{}", name), false, {}, kAlignment); !done)
        return done.error();
    constexpr std::size_t kPiece = std::size_t{1} << 20; // what is summed is still in the cache when it is written
    for (std::size_t at = 0; at < bytes.size(); at += kPiece)
        if (const auto done = zip.write(bytes.subspan(at, std::min(kPiece, bytes.size() - at))); !done)
            return done.error();
    return zip.end({});
}

Result<Done> addRecord(ZipWriter& zip, std::string_view name, std::string_view text)
{
    return addRecord(zip, name, std::as_bytes(std::span(text.data(), text.size())));
}

} // namespace

Result<WrittenFile> writeTorch(const std::filesystem::path& file, const std::vector<TorchNode>& root, Sync sync)
{
    const auto refuse = [&](std::string_view why) {
        return Error{ErrorCode::Internal, fmt::format("{} cannot be written as a PyTorch file: {}.", file.string(), why)};
    };
    PickleText pickle;
    if (!pickle.dictionary(root))
        return refuse(pickle.why);
    pickle.bytes += '.';
    auto zip = ZipWriter::create(file);
    if (!zip)
        return zip.error();
    for (const auto& [name, text] : {std::pair<std::string_view, std::string_view>{"data.pkl", pickle.bytes}, {"byteorder", "little"}})
        if (const auto done = addRecord(*zip, name, text); !done)
            return done.error();
    for (std::size_t i = 0; i < pickle.tensors.size(); ++i) {
        const auto& item = *pickle.tensors[i];
        const auto bytes = item.bytes();
        if (!bytes)
            return bytes.error();
        if (const auto wanted = *byteCount(item.dtype, item.shape); bytes->size() != wanted)
            return refuse(fmt::format("tensor {} came with {} bytes instead of {}", inQuotes(item.name), bytes->size(), wanted));
        if (const auto done = addRecord(*zip, fmt::format("data/{}", i), *bytes); !done)
            return done.error();
    }
    if (const auto done = addRecord(*zip, "version", "3\n"); !done)
        return done.error();
    return zip->finish(sync);
}

std::vector<TorchNode> torchStateDict(std::vector<SafetensorsItem> items)
{
    std::vector<TorchNode> nodes;
    for (auto& item : items) {
        std::string key = item.name;
        nodes.push_back({std::move(key), std::move(item)});
    }
    return nodes;
}

} // namespace espalier::formats
