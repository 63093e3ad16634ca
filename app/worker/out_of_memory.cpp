// SPDX-License-Identifier: Apache-2.0
#include "app/worker/out_of_memory.h"

#include "core/base/text.h"
#include "core/config/batch.h"

#include <fmt/format.h>

#include <cstdlib>

namespace espalier::worker {
namespace {

/// What stands between two texts; empty when they do not.
std::string between(std::string_view text, std::string_view before, std::string_view after)
{
    const auto begin = text.find(before);
    if (begin == text.npos)
        return {};
    const auto from = begin + before.size(), end = text.find(after, from);
    return end == text.npos || end - from > 40 ? std::string() : std::string(text.substr(from, end - from));
}

/// The largest part of a micro-batch that divides it and keeps groups of mixed images whole; 0 when there is none.
std::int64_t smallerMicroBatch(std::int64_t now, std::int64_t group)
{
    for (auto smaller = now / 2; smaller > 0; --smaller)
        if (now % smaller == 0 && (group == 0 || smaller % group == 0))
            return smaller;
    return 0;
}

} // namespace

MemoryWish memoryWishOf(std::string_view message)
{
    MemoryWish wish{between(message, "Tried to allocate ", ". "), between(message, "of which ", " is free"), false};
    wish.onGpu = !wish.asked.empty() || message.find("CUDA") != message.npos;
    if (!wish.onGpu)
        if (const auto bytes = between(message, "you tried to allocate ", " bytes"); !bytes.empty())
            wish.asked = bytesText(std::strtoull(bytes.c_str(), nullptr, 10));
    return wish;
}

std::string changeThatFits(const Trained& trained)
{
    const auto& training = trained.config.training;
    const auto split = config::deriveBatch(training, trained.world);
    if (!split)
        return {};
    if (const auto smaller = smallerMicroBatch(split->microBatch, trained.config.data.augment.mixGroup); smaller > 0) {
        const auto accumulation = split->accumulation * (split->microBatch / smaller);
        return fmt::format("Set training.micro_batch to {} (it is {}){}: with {} accumulations the global batch stays {}.", smaller,
                           split->microBatch,
                           training.accumulation > 0 ? fmt::format(" and training.accumulation to {}", accumulation) : std::string(),
                           accumulation, split->globalBatch());
    }
    if (!training.recompute)
        return fmt::format("Set training.recompute to true: blocks are computed twice instead of kept, and the global batch stays {}.",
                           split->globalBatch());
    return {};
}

Error outOfMemory(std::string_view message, const std::optional<Trained>& trained, std::uint64_t freeOnHost)
{
    auto wish = memoryWishOf(message);
    if (wish.free.empty() && !wish.onGpu && freeOnHost > 0)
        wish.free = bytesText(freeOnHost);
    std::string said = wish.onGpu ? "The GPU ran out of memory" : "The machine ran out of memory";
    if (!wish.asked.empty())
        said += fmt::format(": {} more were asked for", wish.asked);
    if (!wish.free.empty())
        said += fmt::format("{} {} are free", wish.asked.empty() ? ":" : ", and", wish.free);
    const auto change = trained ? changeThatFits(*trained) : std::string();
    return {ErrorCode::Memory,
            fmt::format("{}. {}", said,
                        !change.empty() ? change
                        : trained       ? "The batch cannot be split further: choose a smaller model or smaller images."
                                        : "Close what else uses it, or choose another device."),
            std::string(message)};
}

} // namespace espalier::worker
