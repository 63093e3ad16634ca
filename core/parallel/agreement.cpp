// SPDX-License-Identifier: Apache-2.0
#include "core/parallel/agreement.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace espalier::parallel {
namespace {

constexpr std::int64_t kPiece = 1 << 22; // elements at a time: the sums need eight bytes for each
constexpr std::int64_t kLongestFact = 512;

struct Thing {
    std::string name;
    std::int64_t fingerprint = 0;
};

std::int64_t fingerprintOf(const std::string& text)
{
    std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    for (const unsigned char byte : text)
        hash = (hash ^ byte) * 0x100000001b3;
    std::int64_t number;
    std::memcpy(&number, &hash, sizeof number);
    return number;
}

std::vector<Thing> thingsOf(const std::vector<std::pair<std::string, std::string>>& facts, const tensors::TrainState& state)
{
    std::vector<Thing> all;
    for (const auto& [name, value] : facts)
        all.push_back({name, fingerprintOf(value)});
    all.push_back({"The number of parameters", static_cast<std::int64_t>(state.slots.size())});
    all.push_back({"The step to go on from", state.counters.step});
    all.push_back({"The place in the data",
                   fingerprintOf(fmt::format("{} {} {}", state.counters.images, state.counters.epoch, state.counters.position))});
    const auto add = [&](const std::string& name, const at::Tensor& tensor) {
        if (tensor.defined())
            all.push_back({name, parallel::fingerprintOf(tensor)});
    };
    for (const auto& slot : state.slots) {
        add("The parameter " + slot.name, slot.value);
        for (const auto& average : slot.ema)
            add("An average of " + slot.name, average);
        for (const auto& kept : {slot.m, slot.v, slot.step, slot.largest})
            add("What the optimizer keeps of " + slot.name, kept);
    }
    return all;
}

/// The text of a fact on every rank, by rank.
std::vector<std::string> textOnRanks(ProcessGroup& group, const std::string& mine)
{
    auto bytes = at::zeros({kLongestFact}, at::kByte);
    std::memcpy(bytes.data_ptr(), mine.data(), std::min<std::size_t>(mine.size(), kLongestFact - 1));
    std::vector<std::string> all;
    for (const auto& each : group.gather(bytes))
        all.emplace_back(static_cast<const char*>(each.data_ptr()));
    return all;
}

} // namespace

std::int64_t fingerprintOf(const at::Tensor& tensor)
{
    const at::NoGradGuard noGrad;
    auto flat = tensor.detach().contiguous().reshape({-1});
    const auto width = flat.element_size();
    flat = flat.view(width == 8 ? at::kLong : width == 4 ? at::kInt : width == 2 ? at::kShort : at::kByte);
    auto sum = at::full({}, flat.numel(), flat.options().dtype(at::kLong));
    for (std::int64_t at = 0; at < flat.numel(); at += kPiece) {
        const auto piece = flat.narrow(0, at, std::min(kPiece, flat.numel() - at)).to(at::kLong);
        // Odd weights, different at every place, so that a change of one element or of two that swap changes the sum. It wraps.
        const auto weights = at::arange(at, at + piece.numel(), piece.options()).mul_(0x2545F4914F6CDD1D).bitwise_or_(1);
        sum = sum * 31 + (piece * weights).sum();
    }
    return sum.item<std::int64_t>();
}

Result<Done> checkAgreement(ProcessGroup& group, const std::vector<std::pair<std::string, std::string>>& facts,
                            const tensors::TrainState& state)
{
    if (group.world() == 1)
        return Done{};
    const auto mine = thingsOf(facts, state);
    // Sizes first: lists of different lengths cannot be gathered.
    const auto count = static_cast<std::int64_t>(mine.size());
    const auto counts = group.gather(at::full({1}, count, at::kLong));
    std::int64_t least = count;
    for (const auto& each : counts)
        least = std::min(least, each.item<std::int64_t>());
    auto numbers = at::empty({least}, at::kLong);
    for (std::int64_t i = 0; i < least; ++i)
        numbers[i] = mine[static_cast<std::size_t>(i)].fingerprint;
    const auto all = group.gather(numbers);
    for (std::int64_t i = 0; i < least; ++i)
        for (int rank = 1; rank < group.world(); ++rank) {
            const auto here = all[0][i].item<std::int64_t>(), there = all[static_cast<std::size_t>(rank)][i].item<std::int64_t>();
            if (here == there)
                continue;
            const auto at = static_cast<std::size_t>(i);
            std::string values;
            if (at < facts.size()) {
                const auto texts = textOnRanks(group, facts[at].second);
                values = fmt::format(": \"{}\" on rank 0 and \"{}\" on rank {}", texts[0], texts[static_cast<std::size_t>(rank)], rank);
            } else {
                values = fmt::format(" on rank 0 and on rank {}: {:016x} and {:016x}", rank, static_cast<std::uint64_t>(here),
                                     static_cast<std::uint64_t>(there));
            }
            return Error{
                ErrorCode::Usage,
                fmt::format("Ranks do not agree, so no step was taken. {} is not the same{}. Give every rank the same program, data "
                            "and run folder.",
                            mine[at].name, values),
                {}};
        }
    if (std::any_of(counts.begin(), counts.end(), [&](const at::Tensor& each) { return each.item<std::int64_t>() != count; }))
        return Error{ErrorCode::Usage, "Ranks do not agree, so no step was taken: they keep different things beside their parameters.", {}};
    return Done{};
}

} // namespace espalier::parallel
