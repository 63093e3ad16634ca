// SPDX-License-Identifier: Apache-2.0
#include "core/training/prefix_cache.h"

#include "core/generation/shard_images.h"
#include "core/machine/memory.h"
#include "core/models/pixels.h"
#include "core/training/precision.h"
#include "core/training/waiting.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <optional>
#include <vector>

namespace espalier::training {
namespace {

constexpr std::int64_t kShard = 16 * kPrefixGroup; // images that a rank takes at once

/// Numbers in memory, for each image and version.
class KeptNumbers final : public data::LatentSet {
public:
    KeptNumbers(at::Tensor values, std::vector<std::int32_t> labels, std::vector<std::int64_t> broken)
        : m_values(std::move(values)), m_labels(std::move(labels)), m_broken(std::move(broken))
    {
    }
    data::LatentLayout layout() const override { return {.channels = m_values.size(2), .side = 1, .moments = false}; }
    Result<Done> readLatents(std::int64_t index, bool mirrored, std::span<float> values, std::int32_t& label) const override
    {
        if (m_broken[static_cast<std::size_t>(index)] != 0)
            return Error{ErrorCode::Format, "It could not be read when it went through the frozen blocks.", {}};
        const auto* from = m_values.const_data_ptr<float>() + ((mirrored ? m_values.size(1) : 0) + index) * m_values.size(2);
        std::memcpy(values.data(), from, values.size_bytes());
        label = m_labels[static_cast<std::size_t>(index)];
        return Done{};
    }

private:
    const at::Tensor m_values; // float [versions, images, values]
    const std::vector<std::int32_t> m_labels;
    const std::vector<std::int64_t> m_broken; // 1: cannot be read
};

class Filling {
public:
    explicit Filling(const PrefixWork& work)
        : m_work(work), m_images(work.images.size()), m_pixels(work.config.model, work.device),
          m_waiting(work.link, work.step, work.writer), m_broken(static_cast<std::size_t>(m_images))
    {
        const auto& shape = work.prefix.values;
        const auto values = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
        m_kept = at::empty({work.prefix.versions, m_images, values}, at::kFloat);
    }

    /// In rounds of one shard for each rank, after which each has them all.
    Result<std::shared_ptr<const data::LatentSet>> run()
    {
        const at::NoGradGuard noGrad;
        const auto world = m_work.group.world(), rank = m_work.group.rank();
        for (std::int64_t first = 0; first < m_images; first += kShard * world) {
            if (auto made = makeShard(first + kShard * rank, first); !made)
                return made.error();
            for (int root = 0; root < world && world > 1; ++root) {
                const auto from = first + kShard * root, n = std::min(kShard, m_images - from);
                for (std::int64_t version = 0; version < m_kept.size(0) && n > 0; ++version)
                    m_work.group.broadcast(m_kept[version].narrow(0, from, n), root);
            }
        }
        makeMaximum(m_work.group, m_broken);
        std::vector<std::int32_t> labels;
        for (std::int64_t i = 0; i < m_images; ++i)
            labels.push_back(m_work.images.label(i));
        return std::shared_ptr<const data::LatentSet>(
            std::make_shared<KeptNumbers>(std::move(m_kept), std::move(labels), std::move(m_broken)));
    }

private:
    bool anyStopped()
    {
        std::vector<std::int64_t> stopped{m_work.link.stopRequested() ? 1 : 0};
        makeMaximum(m_work.group, stopped);
        return stopped.front() != 0;
    }

    /// Ranks without a shard go along: all look for a stop after each group.
    Result<Done> makeShard(std::int64_t first, std::int64_t done)
    {
        const auto count = std::clamp<std::int64_t>(m_images - first, 0, kShard);
        std::optional<generation::ShardImages> images;
        if (count > 0)
            images.emplace(m_work.images, first, count, static_cast<int>(m_work.config.data.workers), m_work.log);
        for (std::int64_t from = 0; from < std::min(kShard, m_images - done); from += kPrefixGroup) {
            const auto n = std::min(kPrefixGroup, count - from);
            if (n > 0 && !m_work.link.stopRequested()) {
                const auto taken = images->take(from, n);
                if (!taken)
                    return taken.error();
                for (std::int64_t version = 0; version < m_kept.size(0); ++version)
                    m_kept[version].narrow(0, first + from, n).copy_(resultsOf(version == 0 ? *taken : taken->flip(2)));
            }
            m_waiting("computing the frozen blocks", std::min(done + (from + kPrefixGroup) * m_work.group.world(), m_images), m_images);
            if (anyStopped())
                return Error{ErrorCode::Cancelled, "Stopped while the frozen blocks were computed."};
        }
        for (const auto broken : images ? images->broken() : std::vector<std::int64_t>{})
            m_broken[static_cast<std::size_t>(broken)] = 1;
        return Done{};
    }

    /// Of uint8 [n, side, side, 3], filled up to a whole group with the last image: [n, values].
    at::Tensor resultsOf(const at::Tensor& bytes)
    {
        const auto n = bytes.size(0), side = bytes.size(1);
        const auto whole = n == kPrefixGroup ? bytes : at::cat({bytes, bytes.narrow(0, n - 1, 1).expand({kPrefixGroup - n, -1, -1, -1})});
        const auto channelsLast = m_work.config.training.channelsLast ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
        auto seen = at::empty({kPrefixGroup, 3, side, side}, at::TensorOptions(m_work.device).dtype(at::kFloat), channelsLast);
        m_pixels.read(whole.to(m_work.device), seen);
        const PrecisionScope precision(m_work.config.training.precision, m_work.device.type());
        tensors::Path path;
        path.until = m_work.prefix.blocks;
        const auto results = m_work.model.forward({.x = seen, .t = {}, .labels = {}, .targets = {}}, path, {});
        // Tokens stay float32 whatever blocks are computed in: keeping them rounds nothing.
        TORCH_CHECK(results.scalar_type() == at::kFloat, "A bug: tokens are to be kept that are not float32.");
        return results.narrow(0, 0, n).flatten(1);
    }

    const PrefixWork& m_work;
    const std::int64_t m_images;
    const models::PixelReader m_pixels;
    Waiting m_waiting;
    at::Tensor m_kept;
    std::vector<std::int64_t> m_broken;
};

} // namespace

Result<std::shared_ptr<const data::LatentSet>> computePrefix(const PrefixWork& work)
{
    return Filling(work).run();
}

bool hasRoom(const plan::Prefix& prefix, parallel::ProcessGroup& group)
{
    const auto there = machine::hostMemory().availableBytes;
    const auto needed = prefix.bytes * static_cast<std::uint64_t>(group.world());
    std::vector<std::int64_t> lacks{there > 0 && there < needed ? 1 : 0};
    makeMaximum(group, lacks);
    return lacks.front() == 0;
}

} // namespace espalier::training
