// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/loader.h"
#include "core/models/model.h"
#include "core/models/pixels.h"
#include "core/tensors/batch.h"
#include "core/training/latent_upload.h"

#include <c10/core/Event.h>

#include <map>
#include <optional>
#include <span>
#include <vector>

namespace espalier::training {

/// Mixes each group of images with its partners, which are those of the unmixed group in reverse order. Float [n, c, h, w], in place.
void mixInGroups(at::Tensor& images, std::span<const data::Mix> mixes);

/// The batch with its images at another side, as AutoProg's supernets see them: bilinear, corners not aligned. 0: as they are.
tensors::Batch ofSide(tensors::Batch batch, std::int64_t side);

/// Brings micro-batches to the device and makes of them what the network sees: latents, or pixels in its scale with erased squares and
/// mixed images with their soft targets. The tensors it gives are always the same ones (of latents, those of their side), and nothing here
/// waits for the device.
class BatchUpload {
public:
    /// `batchesHeld`: batches of the loader that stay untouched, so that the device may still be reading so many. `kept`: shape of what the
    /// loader gives of each image in its place, for the network to go on with; empty: images.
    BatchUpload(const models::ImageShape& image, std::int64_t classes, const config::RunConfig& config, std::int64_t microBatch,
                at::Device device, int batchesHeld, const std::vector<std::int64_t>& kept = {});

    /// Call before a batch is taken from the loader: returns once the device has read the one whose memory comes back.
    void freeOldest();
    /// `draws`: of the samples of the batch, for the noise of latents.
    tensors::Batch operator()(const data::HostBatch& batch, const tensors::Draws& draws);

private:
    at::Tensor& imagesAt(std::int64_t side);
    /// Host memory that the device reads from, one for each batch held.
    struct Staging {
        at::Tensor noise, targets; // float [b, 3, s, s] and [b, classes]
    };
    void erase(const data::HostBatch& batch, at::Tensor& noise);
    void aim(const data::HostBatch& batch, at::Tensor& targets);

    const config::AugmentConfig m_augment;
    const std::uint64_t m_seed;
    const at::Device m_device;
    const bool m_soft; // targets instead of labels
    const bool m_kept; // what frozen blocks gave instead of images
    models::PixelReader m_pixels;
    std::optional<LatentUpload> m_latents; // where the loader gives latents: in the place of m_bytes
    std::vector<c10::Event> m_read;        // of the batches held, on a GPU
    std::vector<Staging> m_staging;
    std::size_t m_turn = 0;
    std::map<std::int64_t, at::Tensor> m_ofSide;       // latents of another side than the network's own, as m_images
    at::Tensor m_bytes, m_images, m_labels, m_targets; // uint8 [b, s, s, 3], float [b, 3, s, s] or kept, int64 [b], float [b, classes]
};

} // namespace espalier::training
