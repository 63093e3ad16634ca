// SPDX-License-Identifier: Apache-2.0
#include "core/formats/deep_incubation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

namespace espalier::formats {
namespace {

constexpr std::string_view kBlocks = "blocks.";

struct Place {
    std::size_t module = 0;
    std::string name; // inside the module
};

Place placeOf(const std::string& name, const std::vector<std::int64_t>& division)
{
    if (!name.starts_with(kBlocks))
        return {name.starts_with("norm.") || name.starts_with("fc_norm.") || name.starts_with("head.") ? division.size() - 1 : 0, name};
    std::int64_t block = 0;
    std::from_chars(name.data() + kBlocks.size(), name.data() + name.size(), block);
    std::size_t module = 0;
    for (; module + 1 < division.size() && block >= division[module]; ++module)
        block -= division[module];
    return {module, fmt::format("{}{}{}", kBlocks, block, name.substr(name.find('.', kBlocks.size())))};
}

/// The published module has its table before its token, though the network registers them the other way round.
void putTableFirst(std::vector<TorchNode>& first)
{
    const auto at = [&](const char* key) { return std::ranges::find(first, key, &TorchNode::key); };
    if (const auto token = at("cls_token"), table = at("pos_embed"); token != first.end() && table != first.end() && token < table)
        std::iter_swap(token, table);
}

} // namespace

std::vector<TorchNode> deepIncubationCheckpoint(std::vector<SafetensorsItem> items, const ModulesToWrite& modules)
{
    auto list = std::make_shared<TorchList>();
    list->items.resize(modules.division.size());
    std::vector<TorchNode> outside, others; // tokens and tables stand before the modules, everything else behind them
    for (auto& item : items) {
        const auto name = item.name;
        auto place = placeOf(name, modules.division);
        list->items[place.module].push_back({std::move(place.name), TorchTwin{name}});
        (name == "cls_token" || name == "pos_embed" ? outside : others).push_back({name, std::move(item)});
    }
    putTableFirst(list->items.front());
    std::vector<TorchNode> model = std::move(outside);
    // Tensors stand where they are first named: the modules, whose names come next, hold them.
    std::vector<std::pair<std::string, SafetensorsItem>> owned;
    for (auto& node : others)
        owned.emplace_back(node.key, std::get<SafetensorsItem>(std::move(node.value)));
    for (std::size_t module = 0; module < list->items.size(); ++module)
        for (const auto& node : list->items[module]) {
            const auto& twin = std::get<TorchTwin>(node.value);
            auto key = fmt::format("stages.{}.{}", module, node.key);
            const auto own = std::ranges::find(owned, twin.name, &std::pair<std::string, SafetensorsItem>::first);
            if (own == owned.end())
                model.push_back({std::move(key), twin});
            else
                model.push_back({std::move(key), std::move(own->second)});
        }
    for (const auto& [name, item] : owned)
        model.push_back({name, TorchTwin{name}});
    const Json about{{"division", modules.division}, {"module", modules.module}};
    return {
        {"model", std::move(model)}, {"model_stages", std::move(list)}, {"epoch", Json(0)}, {"espalier.assembling", Json(about.dump())}};
}

} // namespace espalier::formats
