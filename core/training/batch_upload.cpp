// SPDX-License-Identifier: Apache-2.0
#include "core/training/batch_upload.h"

#include "core/data/erasing.h"
#include "core/data/mixing.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace espalier::training {
namespace {

/// The part of [b, 3, s, s] or [3, s, s] images that lies in a box.
at::Tensor inBox(const at::Tensor& images, const formats::PixelBox& box)
{
    return images.narrow(-2, box.top, box.height).narrow(-1, box.left, box.width);
}

} // namespace

void mixInGroups(at::Tensor& all, std::span<const data::Mix> mixes)
{
    const auto group = mixes.empty() ? 0 : all.size(0) / static_cast<std::int64_t>(mixes.size());
    for (std::size_t g = 0; g < mixes.size(); ++g) {
        const auto& mix = mixes[g];
        if (mix.lambda == 1.0)
            continue;
        auto images = all.narrow(0, static_cast<std::int64_t>(g) * group, group);
        if (mix.cut)
            inBox(images, mix.box).copy_(inBox(images, mix.box).flip(0));
        else
            images.copy_(images * mix.lambda + images.flip(0) * (1.0 - mix.lambda));
    }
}

tensors::Batch ofSide(tensors::Batch batch, std::int64_t side)
{
    if (side > 0 && side != batch.x.size(-1))
        batch.x = at::upsample_bilinear2d(batch.x, {side, side}, /*align_corners=*/false);
    return batch;
}

BatchUpload::BatchUpload(const models::ImageShape& image, std::int64_t classes, const config::RunConfig& config, std::int64_t microBatch,
                         at::Device device, int batchesHeld, const std::vector<std::int64_t>& kept)
    : m_augment(config.data.augment), m_seed(static_cast<std::uint64_t>(config.seed)), m_device(device),
      m_soft(!config::drawsImages(config.model) && (m_augment.mixes() || m_augment.labelSmoothing > 0.0)), m_kept(!kept.empty()),
      m_pixels(config.model, device)
{
    const auto b = microBatch;
    const auto on = at::TensorOptions(device);
    std::vector<std::int64_t> seen{image.channels, image.height, image.width};
    if (m_kept)
        seen = kept;
    else if (config.latents.enabled)
        m_latents.emplace(config, b, device);
    else
        m_bytes = at::empty({b, image.height, image.width, image.channels}, on.dtype(at::kByte));
    seen.insert(seen.begin(), b);
    m_images = at::empty(seen, on.dtype(at::kFloat),
                         config.training.channelsLast && !m_kept ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
    m_labels = at::empty({b}, on.dtype(at::kLong));
    if (m_soft)
        m_targets = at::empty({b, classes}, on.dtype(at::kFloat));
    const bool held = !device.is_cpu();
    const auto host = at::TensorOptions().dtype(at::kFloat).pinned_memory(device.is_cuda());
    for (int i = 0; i < (held ? batchesHeld : 1); ++i) {
        if (held)
            m_read.emplace_back(device.type());
        Staging staging;
        if (m_augment.erase > 0.0)
            staging.noise = at::empty({b, image.channels, image.height, image.width}, host);
        if (m_soft)
            staging.targets = at::empty({b, classes}, host);
        m_staging.push_back(std::move(staging));
    }
}

void BatchUpload::freeOldest()
{
    if (!m_read.empty())
        m_read[m_turn % m_read.size()].synchronize();
}

at::Tensor& BatchUpload::imagesAt(std::int64_t side)
{
    if (side == m_images.size(-1))
        return m_images;
    auto& images = m_ofSide[side];
    if (!images.defined())
        images = at::empty({m_images.size(0), m_images.size(1), side, side}, m_images.options(), m_images.suggest_memory_format());
    return images;
}

tensors::Batch BatchUpload::operator()(const data::HostBatch& batch, const tensors::Draws& draws)
{
    const at::NoGradGuard noGrad;
    auto& staging = m_staging[m_turn % m_staging.size()];
    m_labels.copy_(at::from_blob(batch.labels.data(), m_labels.sizes(), at::kInt), /*non_blocking=*/true);
    auto* images = &m_images;
    if (m_kept) {
        m_images.copy_(at::from_blob(batch.latents.data(), m_images.sizes(), at::kFloat), /*non_blocking=*/true);
    } else if (m_latents) {
        images = &imagesAt(m_latents->copy(batch));
    } else {
        m_bytes.copy_(at::from_blob(batch.images.data(), m_bytes.sizes(), at::kByte), /*non_blocking=*/true);
        m_pixels.read(m_bytes, m_images);
    }
    erase(batch, staging.noise);
    if (m_soft)
        aim(batch, staging.targets);
    if (!m_read.empty())
        m_read[m_turn % m_read.size()].record(c10::impl::VirtualGuardImpl(m_device.type()).getStream(m_device));
    ++m_turn;
    if (m_latents)
        m_latents->see(*images, draws);
    mixInGroups(*images, batch.mixes);
    return {*images, {}, m_labels, m_targets};
}

void BatchUpload::erase(const data::HostBatch& batch, at::Tensor& noise)
{
    const auto pixels = noise.defined() ? static_cast<std::size_t>(noise[0].numel()) : 0;
    for (std::size_t i = 0; i < batch.erased.size(); ++i) {
        const auto& box = batch.erased[i];
        if (box.width == 0 || box.height == 0)
            continue;
        const auto image = static_cast<std::int64_t>(i);
        const auto position = batch.cursor.position + batch.firstSlot + image;
        data::erase({noise.data_ptr<float>() + i * pixels, pixels}, static_cast<int>(noise.size(3)), box, m_seed, batch.cursor.epoch,
                    position);
        inBox(m_images[image], box).copy_(inBox(noise[image], box), /*non_blocking=*/true);
    }
}

void BatchUpload::aim(const data::HostBatch& batch, at::Tensor& targets)
{
    const auto classes = static_cast<std::size_t>(targets.size(1));
    const auto group = batch.mixes.empty() ? targets.size(0) : targets.size(0) / static_cast<std::int64_t>(batch.mixes.size());
    for (std::int64_t i = 0; i < targets.size(0); ++i) {
        const auto first = i / group * group;
        const double lambda = batch.mixes.empty() ? 1.0 : batch.mixes[static_cast<std::size_t>(i / group)].lambda;
        const auto partner = first + data::partnerOf(i - first, group);
        data::softTarget(batch.labels[static_cast<std::size_t>(i)], batch.labels[static_cast<std::size_t>(partner)], lambda,
                         m_augment.labelSmoothing, {targets.data_ptr<float>() + static_cast<std::size_t>(i) * classes, classes});
    }
    m_targets.copy_(targets, /*non_blocking=*/true);
}

} // namespace espalier::training
