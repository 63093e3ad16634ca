// SPDX-License-Identifier: Apache-2.0
#include "core/growth/grow.h"

#include "core/growth/file_parent.h"
#include "core/shapes/parameters.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

namespace espalier::growth {
namespace {

using plan::PartSource;

std::string partText(const shapes::PartRange& range)
{
    if (range.part.empty())
        return "the whole model";
    if (range.begin == 0 && range.end == -1)
        return "part " + range.part;
    if (range.end == range.begin + 1)
        return fmt::format("block {} of {}", range.begin, range.part);
    return range.end == -1 ? fmt::format("blocks from {} on of {}", range.begin, range.part)
                           : fmt::format("blocks {} to {} of {}", range.begin, range.end - 1, range.part);
}

/// The name inside the block: that of a parameter of a part with one block is its own.
std::string innerName(const shapes::Parameter& parameter)
{
    for (const auto& prefix :
         {fmt::format("{}.{}.", parameter.part, parameter.block), fmt::format("{}.level_{}.", parameter.part, parameter.block)})
        if (const auto at = parameter.name.find(prefix); at != std::string::npos)
            return parameter.name.substr(at + prefix.size());
    return parameter.name;
}

/// Levels of a U-Net differ in widths and attention, so not everything in one has a source in another.
bool isLevel(const std::string& part)
{
    return part == "downsamples" || part == "upsamples";
}

/// A model that parameters come from: by part, block and name inside.
class Source {
public:
    explicit Source(const Parent& parent) : m_parent(parent)
    {
        std::map<std::string, const tensors::Slot*> slots;
        for (const auto& slot : parent.state->slots)
            slots[slot.name] = &slot;
        for (const auto& parameter : shapes::parameterTable(parent.shape))
            if (const auto found = slots.find(parameter.name); found != slots.end()) {
                m_byName[parameter.name] = found->second;
                m_blocks[{parameter.part, parameter.block}][innerName(parameter)] = found->second;
            }
    }

    const Parent& parent() const { return m_parent; }
    using Slots = std::map<std::string, const tensors::Slot*>;
    const Slots& whole() const { return m_byName; }
    const Slots& block(const std::string& part, std::int64_t number) const
    {
        static const Slots kNone;
        const auto found = m_blocks.find({part, number});
        return found == m_blocks.end() ? kNone : found->second;
    }

private:
    Parent m_parent;
    Slots m_byName;
    std::map<std::pair<std::string, std::int64_t>, Slots> m_blocks;
};

/// Decides for each parameter where it comes from, before any is touched.
class Growth {
public:
    Growth(const plan::Stage& stage, std::span<const Parent> parents, tensors::TrainState& to)
        : m_stage(stage), m_parents(parents), m_to(to), m_table(shapes::parameterTable(stage.shape))
    {
        for (auto& slot : to.slots)
            m_slots[slot.name] = &slot;
    }

    Result<Done> decide()
    {
        for (const auto& parameter : m_table)
            if (!m_slots.contains(parameter.name))
                return Error{ErrorCode::Internal, fmt::format("Stage {}: its model has no {}.", m_stage.id, parameter.name)};
        for (const auto& source : m_stage.weights)
            if (source.from != PartSource::From::Fresh)
                if (auto decided = decide(source); !decided)
                    return decided;
        return Done{};
    }

    void apply()
    {
        const at::NoGradGuard noGrad;
        std::set<const tensors::Slot*> grown;
        for (const auto& move : m_moves) {
            auto& slot = *move.to;
            grown.insert(&slot);
            slot.value.detach().copy_(move.value);
            for (std::size_t i = 0; i < slot.ema.size(); ++i)
                slot.ema[i].copy_(move.averages[i].defined() && !m_stage.recipe ? move.averages[i] : slot.value.detach());
            if (m_stage.optimizer == config::Carry::Keep)
                carryMoments(slot, *move.from);
        }
        for (auto& slot : m_to.slots)
            if (!grown.contains(&slot))
                for (auto& average : slot.ema)
                    average.copy_(slot.value.detach());
    }

private:
    struct Move {
        tensors::Slot* to;
        const tensors::Slot* from;
        at::Tensor value;
        std::vector<at::Tensor> averages; // one for each of `to`; undefined where the parent has none of that decay
    };

    Error misfit(const PartSource& source, const std::string& why) const
    {
        return {ErrorCode::Usage,
                fmt::format("Stage {}: {} cannot come from {}: {}{}", m_stage.id, partText(source.to), source.which, why,
                            why.ends_with('.') ? "" : "."),
                m_stage.id};
    }

    Result<const Source*> sourceOf(const PartSource& source)
    {
        const auto key = std::pair(source.from, source.which + (source.from == PartSource::From::File ? "\n" + source.weights : ""));
        if (const auto known = m_sources.find(key); known != m_sources.end())
            return &known->second;
        if (source.from == PartSource::From::Stage) {
            const auto parent = std::find_if(m_parents.begin(), m_parents.end(), [&](const Parent& p) { return p.id == source.which; });
            if (parent == m_parents.end())
                return misfit(source, "that stage is not there");
            return &m_sources.emplace(key, *parent).first->second;
        }
        auto read = readParent(source.which, source.weights);
        if (!read)
            return Error{
                read.error().code,
                fmt::format("Stage {}: {} cannot come from {}. {}", m_stage.id, partText(source.to), source.which, read.error().message),
                read.error().detail};
        m_files.push_back(*std::move(read));
        return &m_sources.emplace(key, Parent{source.which, m_files.back().shape, &m_files.back().state}).first->second;
    }

    /// Which tensor of a slot the network itself gets: -1 the value, else the average of that number.
    Result<std::int64_t> weightsOf(const PartSource& source, const tensors::TrainState& state) const
    {
        const auto& which = source.weights;
        if (source.from == PartSource::From::File || which.empty() || which == "raw")
            return std::int64_t{-1};
        if (which == "ema")
            return state.emaDecays.empty() ? std::int64_t{-1} : std::int64_t{0};
        std::vector<std::string> there{"raw"};
        for (std::size_t i = 0; i < state.emaDecays.size(); ++i) {
            if (tensors::emaName(state.emaDecays[i]) == which)
                return static_cast<std::int64_t>(i);
            there.push_back(tensors::emaName(state.emaDecays[i]));
        }
        return misfit(source, fmt::format("it has no weights {}; there are {}", which.substr(0, 40), fmt::join(there, ", ")));
    }

    Result<Done> decide(const PartSource& source)
    {
        const auto found = sourceOf(source);
        if (!found)
            return found.error();
        const auto& from = **found;
        const auto& parent = from.parent();
        if (auto inside = shapes::checkRange(m_stage.shape, source.to); !inside)
            return misfit(source, inside.error().message);
        if (auto inside = shapes::checkRange(parent.shape, source.range); !inside)
            return misfit(source, inside.error().message);
        if (source.to.part != source.range.part)
            return misfit(source, fmt::format("that is {}", partText(source.range)));
        if (source.to.part.empty() && shapes::family(parent.shape) != shapes::family(m_stage.shape))
            return misfit(source, fmt::format("that is {}", shapes::describe(parent.shape)));
        const auto which = weightsOf(source, *parent.state);
        if (!which)
            return which.error();
        if (source.to.part.empty())
            return decideBlock(source, from.whole(), parent, *which, [](const shapes::Parameter& p) { return std::optional(p.name); });

        const auto count = [](const shapes::ModelShape& shape, const shapes::PartRange& range) {
            const auto parts = shapes::partsOf(shape);
            const auto part = std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.name == range.part; });
            return (range.end == -1 ? part->blocks : range.end) - range.begin;
        };
        const auto wanted = count(m_stage.shape, source.to), there = count(parent.shape, source.range);
        if (there != wanted && there != 1)
            return misfit(source, fmt::format("{} has another number of blocks", partText(source.range)));
        for (std::int64_t i = 0; i < wanted; ++i) {
            const auto target = source.to.begin + i;
            const auto inBlock = [&](const shapes::Parameter& p) {
                return p.part == source.to.part && p.block == target ? std::optional(innerName(p)) : std::nullopt;
            };
            const auto& slots = from.block(source.range.part, source.range.begin + (there == 1 ? 0 : i));
            if (auto decided = decideBlock(source, slots, parent, *which, inBlock); !decided)
                return decided;
        }
        return Done{};
    }

    /// `nameIn` gives the name among `slots` for each parameter that is to come from them.
    Result<Done> decideBlock(const PartSource& source, const Source::Slots& slots, const Parent& parent, std::int64_t which,
                             const auto& nameIn)
    {
        const bool lenient = isLevel(source.to.part) && m_stage.division.empty(); // modules are what they were, or none
        std::set<std::string> used;
        for (const auto& parameter : m_table) {
            const std::optional<std::string> name = nameIn(parameter);
            if (!name)
                continue;
            auto* slot = m_slots.at(parameter.name);
            if (!m_filled.insert(slot).second)
                return misfit(source, fmt::format("{} comes from elsewhere already", parameter.name));
            used.insert(*name);
            const auto found = slots.find(*name);
            const bool fits = found != slots.end() && found->second->value.sizes() == slot->value.sizes();
            if (!fits && (lenient || (found != slots.end() && !parameter.trained))) // a computed table is that of its own size
                continue;
            if (found == slots.end())
                return misfit(source, fmt::format("{} has nothing to come from", parameter.name));
            if (!fits)
                return misfit(source, fmt::format("{} has shape {}, but {} is needed", found->second->name,
                                                  c10::str(found->second->value.sizes()), c10::str(slot->value.sizes())));
            m_moves.push_back(move(*slot, *found->second, *parent.state, which));
        }
        if (!lenient)
            for (const auto& [name, slot] : slots)
                if (!used.contains(name))
                    return misfit(source, fmt::format("{} would be left out", slot->name));
        return Done{};
    }

    Move move(tensors::Slot& slot, const tensors::Slot& from, const tensors::TrainState& state, std::int64_t which) const
    {
        Move made{&slot, &from, which < 0 ? from.value.detach() : from.ema[static_cast<std::size_t>(which)], {}};
        for (const double decay : m_to.emaDecays) {
            const auto found = std::find(state.emaDecays.begin(), state.emaDecays.end(), decay);
            made.averages.push_back(found == state.emaDecays.end() ? at::Tensor()
                                                                   : from.ema[static_cast<std::size_t>(found - state.emaDecays.begin())]);
        }
        return made;
    }

    /// Where both keep the same ones.
    static void carryMoments(tensors::Slot& slot, const tensors::Slot& from)
    {
        constexpr at::Tensor tensors::Slot::*kMoments[] = {&tensors::Slot::m, &tensors::Slot::v, &tensors::Slot::largest,
                                                           &tensors::Slot::step};
        for (const auto moment : kMoments)
            if ((slot.*moment).defined() != (from.*moment).defined())
                return;
        for (const auto moment : kMoments)
            if ((slot.*moment).defined())
                (slot.*moment).copy_(from.*moment);
    }

    const plan::Stage& m_stage;
    const std::span<const Parent> m_parents;
    tensors::TrainState& m_to;
    const std::vector<shapes::Parameter> m_table;
    std::map<std::string, tensors::Slot*> m_slots;
    std::map<std::pair<PartSource::From, std::string>, Source> m_sources;
    std::deque<FileParent> m_files;
    std::set<const tensors::Slot*> m_filled;
    std::vector<Move> m_moves;
};

} // namespace

Result<Done> grow(const plan::Stage& stage, std::span<const Parent> parents, tensors::TrainState& to)
{
    Growth growth(stage, parents, to);
    if (auto decided = growth.decide(); !decided)
        return decided;
    growth.apply();
    return Done{};
}

} // namespace espalier::growth
