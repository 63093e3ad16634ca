// SPDX-License-Identifier: Apache-2.0
#include "core/data/cifar.h"
#include "core/formats/pickle.h"
#include "core/formats/pickle_numpy.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::data {

namespace {

using formats::Pickle;
using formats::PickleKind;
using formats::PickleValue;

constexpr std::size_t kPixels = 3 * 32 * 32;

/// The labels under a key; "" or what is wrong with them.
std::string takeLabels(const Pickle& batch, std::string_view key, std::size_t count, std::int64_t classes, std::vector<std::uint8_t>& into)
{
    const PickleValue* list = batch.find(batch.root(), key);
    if (!list || list->kind != PickleKind::List)
        return fmt::format("it has no list of {}", key);
    if (list->items.size() != count)
        return fmt::format("it has {} {} for {} images", list->items.size(), key, count);
    for (std::size_t i = 0; i < count; ++i) {
        const PickleValue& label = batch[list->items[i]];
        if (label.kind != PickleKind::Integer || label.integer < 0 || label.integer >= classes)
            return fmt::format("entry {} of {} is no number from 0 to {}", i, key, classes - 1);
        into.push_back(static_cast<std::uint8_t>(label.integer));
    }
    return {};
}

} // namespace

Result<Done> CifarRows::appendPython(std::span<const std::byte> file, CifarKind kind, std::string_view name)
{
    const auto batch = Pickle::parse(file, name, fmt::format("a Python batch of {}", cifarTitle(kind)));
    if (!batch)
        return batch.error();
    const auto refuse = [&](std::string_view why) {
        return Error{ErrorCode::Format, fmt::format("{} is not a Python batch of {}: {}.", name, cifarTitle(kind), why), {}};
    };
    const PickleValue* data = batch->find(batch->root(), "data");
    const auto array = data ? formats::numpyArrayOf(*batch, *data) : std::nullopt;
    if (!array || array->type != formats::kNpyUint8 || array->shape.size() != 2 || array->shape[0] < 1 ||
        array->shape[1] != static_cast<std::int64_t>(kPixels))
        return refuse(fmt::format("it has no data of uint8 (n, {})", kPixels));
    const auto count = static_cast<std::size_t>(array->shape[0]);
    const bool ten = kind == CifarKind::Cifar10;
    std::vector<std::uint8_t> fine, coarse;
    std::string why = takeLabels(*batch, ten ? "labels" : "fine_labels", count, ten ? 10 : 100, fine);
    if (why.empty() && !ten)
        why = takeLabels(*batch, "coarse_labels", count, 20, coarse);
    if (!why.empty())
        return refuse(why);
    labels.insert(labels.end(), fine.begin(), fine.end());
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(array->data.data());
    planes.insert(planes.end(), pixels, pixels + array->data.size());
    return Done{};
}

} // namespace espalier::data
