// SPDX-License-Identifier: Apache-2.0
#include "core/formats/torch_content.h"

#include "core/base/text.h"
#include "core/formats/in_quotes.h"
#include "core/formats/torch_rest.h"
#include "core/formats/torch_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace espalier::formats {
namespace {

constexpr int kDeepest = 100;
constexpr std::size_t kMostSteps = 2'000'000;
constexpr std::size_t kMostTensors = 100'000;
constexpr std::size_t kLongestName = 1024;
constexpr std::size_t kMostSides = 64;
constexpr std::uint64_t kMostViews = 8; // times the bytes of the storages

/// A function that makes a tensor, and where its arguments stand.
struct Rebuild {
    std::string_view name;
    std::size_t fewest, dtype, metadata; // 0: no such argument
};
constexpr Rebuild kRebuilds[] = {
    {"torch._utils._rebuild_tensor", 4, 0, 0},    // storage, offset, shape, strides
    {"torch._utils._rebuild_tensor_v2", 6, 0, 6}, // … whether it has gradients, hooks, metadata
    {"torch._utils._rebuild_tensor_v3", 7, 6, 7}, // … a type of its own over an untyped storage
};

class ContentWalk {
public:
    ContentWalk(const Pickle& pickle, std::string_view file) : m_pickle(pickle), m_file(file) {}

    Result<TorchContent> run()
    {
        auto rest = walk(m_pickle.root(), "", 0);
        if (!rest)
            return rest.error();
        std::uint64_t stored = 0, viewed = 0;
        for (const auto& storage : m_content.storages)
            if (__builtin_add_overflow(stored, storage.bytes, &stored))
                return refuse("its storages have more bytes than there are");
        for (const auto& tensor : m_content.tensors)
            if (__builtin_add_overflow(viewed, tensor.bytes, &viewed) || viewed / kMostViews > stored)
                return refuse(
                    fmt::format("tensor {} and those before it spread {} bytes of storage to much more", inQuotes(tensor.name), stored));
        m_content.rest = *rest ? std::move(**rest) : Json::object();
        return std::move(m_content);
    }

private:
    using Rest = std::optional<Json>; // nothing: tensors alone

    Error refuse(std::string_view why) const
    {
        return {ErrorCode::Format, fmt::format("{} cannot be read as a PyTorch file: {}.", m_file, why)};
    }

    Result<Rest> walk(const PickleValue& value, const std::string& name, int depth)
    {
        if (depth > kDeepest)
            return refuse(fmt::format("its values are nested more than {} deep", kDeepest));
        if (++m_steps > kMostSteps)
            return refuse("its values repeat each other without end");
        if (name.size() > kLongestName)
            return refuse(fmt::format("it has names of more than {} bytes", kLongestName));
        switch (value.kind) {
        case PickleKind::Dict:
            return dict(value, name, depth);
        case PickleKind::List:
        case PickleKind::Tuple:
        case PickleKind::Set:
            return list(value, name, depth);
        case PickleKind::Call:
            if (m_pickle[value.callee].text.starts_with("torch._")) {
                auto added = tensor(value, name.empty() ? "tensor" : name);
                if (!added)
                    return added.error();
                return Rest{};
            }
            break;
        case PickleKind::Persistent:
            if (auto known = storageOf(value, name); !known)
                return known.error();
            break;
        default:
            break;
        }
        auto plain = m_plain.of(m_pickle, value);
        if (!plain)
            return refuse("its texts repeat each other without end");
        return Rest(std::move(*plain));
    }

    Result<Rest> dict(const PickleValue& value, const std::string& name, int depth)
    {
        Json::object_t object;
        std::unordered_set<std::string> keys;
        bool tensorsAlone = !value.items.empty();
        for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
            const std::string key = m_plain.keyOf(m_pickle, m_pickle[value.items[i]]);
            if (!keys.insert(key).second)
                return refuse(fmt::format("the key {} stands there twice", inQuotes(key)));
            auto inner = walk(m_pickle[value.items[i + 1]], name.empty() ? key : fmt::format("{}.{}", name, key), depth + 1);
            if (!inner)
                return inner.error();
            if (*inner) {
                object.emplace_back(key, std::move(**inner)); // [] would look through all of them
                tensorsAlone = false;
            }
        }
        return tensorsAlone ? Rest() : Rest(Json(std::move(object)));
    }

    Result<Rest> list(const PickleValue& value, const std::string& name, int depth)
    {
        Json array = Json::array();
        bool tensorsAlone = !value.items.empty();
        for (std::size_t i = 0; i < value.items.size(); ++i) {
            auto inner = walk(m_pickle[value.items[i]], name.empty() ? fmt::format("{}", i) : fmt::format("{}.{}", name, i), depth + 1);
            if (!inner)
                return inner.error();
            tensorsAlone &= !*inner;
            array.push_back(*inner ? std::move(**inner) : Json());
        }
        return tensorsAlone ? Rest() : Rest(std::move(array));
    }

    // ── Tensors ──

    Error refuse(const std::string& name, std::string_view why) const { return refuse(fmt::format("tensor {} {}", inQuotes(name), why)); }

    /// The innermost call behind nn.Parameter and tensors with attributes; nullptr when it is none.
    const PickleValue* rebuildOf(const PickleValue& call, const Rebuild*& which, const std::vector<PickleRef>*& arguments) const
    {
        constexpr int kMostWrappers = 4;
        const PickleValue* at = &call;
        for (int i = 0; i < kMostWrappers && at->kind == PickleKind::Call && !at->items.empty(); ++i) {
            std::string_view name = m_pickle[at->callee].text;
            if (name == "torch._utils._rebuild_parameter" || name == "torch._utils._rebuild_parameter_with_state") {
                at = &m_pickle[at->items[0]];
                continue;
            }
            arguments = &at->items;
            if (name == "torch._tensor._rebuild_from_type_v2") { // function, type, arguments, attributes
                if (at->items.size() != 4 || m_pickle[at->items[0]].kind != PickleKind::Global ||
                    m_pickle[at->items[2]].kind != PickleKind::Tuple)
                    return nullptr;
                name = m_pickle[at->items[0]].text;
                arguments = &m_pickle[at->items[2]].items;
                if (name == "torch._utils._rebuild_parameter" && !arguments->empty()) {
                    at = &m_pickle[(*arguments)[0]];
                    continue;
                }
            }
            which = std::find_if(std::begin(kRebuilds), std::end(kRebuilds), [&](const Rebuild& r) { return r.name == name; });
            return which == std::end(kRebuilds) ? nullptr : at;
        }
        return nullptr;
    }

    Result<Done> tensor(const PickleValue& call, const std::string& name)
    {
        const Rebuild* how = nullptr;
        const std::vector<PickleRef>* given = nullptr;
        if (!rebuildOf(call, how, given))
            return refuse(name, "is made in a way that is not known here");
        const auto argument = [&](std::size_t i) -> const PickleValue& { return m_pickle[(*given)[i]]; };
        const std::size_t most = std::max({how->fewest, how->metadata + 1});
        if (given->size() < how->fewest || given->size() > most || argument(1).kind != PickleKind::Integer ||
            argument(2).kind != PickleKind::Tuple || argument(3).kind != PickleKind::Tuple)
            return refuse(name, "is made of arguments that make none");
        if (how->metadata && given->size() > how->metadata && !argument(how->metadata).items.empty())
            return refuse(name, "is a conjugated or negated view; save it with resolve_conj().resolve_neg()");
        const auto storage = storageOf(argument(0), name);
        if (!storage)
            return storage.error();

        TorchTensor made;
        made.name = name;
        made.storage = *storage;
        made.offset = argument(1).integer;
        const TorchStorage& source = m_content.storages[*storage];
        if (how->dtype) {
            const auto* type = std::find_if(std::begin(kTorchTypes), std::end(kTorchTypes),
                                            [&](const TorchType& t) { return t.name == argument(how->dtype).text; });
            if (argument(how->dtype).kind != PickleKind::Global || type == std::end(kTorchTypes))
                return refuse(name, "has no type that is known here");
            made.dtype = type->dtype;
            if (source.dtype && source.dtype != made.dtype)
                return refuse(name, "has another type than its storage");
        } else if (source.dtype) {
            made.dtype = *source.dtype;
        } else {
            return refuse(name, "has a storage without a type");
        }
        if (!sides(argument(2), made.shape) || !sides(argument(3), made.strides) || made.shape.size() != made.strides.size())
            return refuse(name, "has a shape or strides that cannot be");
        const auto itemBytes = static_cast<std::uint64_t>(bitsOf(made.dtype) / 8);
        if (!fits(made, source.bytes / itemBytes))
            return refuse(name, fmt::format("reaches beyond the {} bytes of its storage", source.bytes));
        const auto bytes = byteCount(made.dtype, made.shape);
        if (!bytes)
            return refuse(name, "has a shape that overflows");
        made.bytes = *bytes;
        if (m_content.tensors.size() >= kMostTensors)
            return refuse(fmt::format("it holds more than {} tensors", kMostTensors));
        if (!m_names.insert(name).second)
            return refuse(name, "is there twice");
        m_content.tensors.push_back(std::move(made));
        return Done{};
    }

    bool sides(const PickleValue& tuple, std::vector<std::int64_t>& into) const
    {
        if (tuple.items.size() > kMostSides)
            return false;
        for (const PickleRef ref : tuple.items) {
            const auto& side = m_pickle[ref];
            if (side.kind != PickleKind::Integer || side.integer < 0)
                return false;
            into.push_back(side.integer);
        }
        return true;
    }

    static bool fits(const TorchTensor& tensor, std::uint64_t elements)
    {
        if (tensor.offset < 0)
            return false;
        auto last = static_cast<std::uint64_t>(tensor.offset);
        for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
            if (tensor.shape[i] == 0)
                return static_cast<std::uint64_t>(tensor.offset) <= elements;
            std::uint64_t reach = 0;
            if (__builtin_mul_overflow(static_cast<std::uint64_t>(tensor.shape[i] - 1), static_cast<std::uint64_t>(tensor.strides[i]),
                                       &reach) ||
                __builtin_add_overflow(last, reach, &last))
                return std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end() &&
                       static_cast<std::uint64_t>(tensor.offset) <= elements;
        }
        return last < elements;
    }

    /// ('storage', class, key, place, count[, no view]): the number of that storage, which is new or the same as before.
    Result<std::size_t> storageOf(const PickleValue& persistent, const std::string& name)
    {
        if (persistent.kind != PickleKind::Persistent)
            return refuse(name, "has no storage");
        const auto& id = m_pickle[persistent.items[0]];
        if (id.kind != PickleKind::Tuple || id.items.size() < 5 || id.items.size() > 6)
            return refuse(name, "has a storage that is not described as one");
        const auto at = [&](std::size_t i) -> const PickleValue& { return m_pickle[id.items[i]]; };
        const auto isText = [](const PickleValue& v) { return v.kind == PickleKind::Text || v.kind == PickleKind::Bytes; };
        if (!isText(at(0)) || at(0).text != "storage" || at(1).kind != PickleKind::Global || !isText(at(2)) || !isUtf8(at(2).text) ||
            at(4).kind != PickleKind::Integer || at(4).integer < 0)
            return refuse(name, "has a storage that is not described as one");
        if (id.items.size() == 6 && at(5).kind != PickleKind::None)
            return refuse(name, "has a storage that is a part of another; save it anew with a PyTorch of this decade");
        TorchStorage storage{std::string(at(2).text), static_cast<std::uint64_t>(at(4).integer), {}};
        if (at(1).text != "torch.storage.UntypedStorage") {
            const auto* type =
                std::find_if(std::begin(kTorchTypes), std::end(kTorchTypes), [&](const TorchType& t) { return t.storage == at(1).text; });
            if (type == std::end(kTorchTypes))
                return refuse(name, fmt::format("has a storage of the unknown class {}", inQuotes(at(1).text)));
            storage.dtype = type->dtype;
            if (__builtin_mul_overflow(storage.bytes, static_cast<std::uint64_t>(bitsOf(type->dtype) / 8), &storage.bytes))
                return refuse(name, "has a storage that overflows");
        }
        const auto [found, isNew] = m_storages.try_emplace(storage.key, m_content.storages.size());
        if (isNew)
            m_content.storages.push_back(std::move(storage));
        else if (const auto& before = m_content.storages[found->second]; before.dtype != storage.dtype || before.bytes != storage.bytes)
            return refuse(name, fmt::format("has storage {} with another type or size than a tensor before it", inQuotes(before.key)));
        return found->second;
    }

    const Pickle& m_pickle;
    std::string_view m_file;
    TorchContent m_content;
    PlainValues m_plain;
    std::size_t m_steps = 0;
    std::unordered_set<std::string> m_names;
    std::unordered_map<std::string, std::size_t> m_storages;
};

} // namespace

Result<TorchContent> torchContentOf(const Pickle& pickle, std::string_view file)
{
    return ContentWalk(pickle, file).run();
}

} // namespace espalier::formats
