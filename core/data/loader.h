// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/log.h"
#include "core/base/result.h"
#include "core/data/augmentation.h"
#include "core/data/dataset.h"
#include "core/data/latent_set.h"
#include "core/data/order.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>

namespace espalier::data {

/// Which part of each global batch a rank reads: micro-batch a of rank r holds the slots [(a * world + r) * microBatch, … + microBatch).
struct Share {
    std::int64_t globalBatch = 1; // = microBatch * accumulation * world
    std::int64_t microBatch = 1;
    std::int64_t accumulation = 1;
    int rank = 0;
    int world = 1;

    std::int64_t firstSlot(std::int64_t micro) const { return (micro * world + rank) * microBatch; }
};

/// One micro-batch in host memory.
struct HostBatch {
    std::span<std::uint8_t> images; // [microBatch, side, side, 3]; empty where latents are read
    std::span<float> latents;       // [microBatch, layout().values()] of the set that it reads, else empty
    std::span<std::int32_t> labels; // [microBatch]; -1 without labels
    // Left to do for the trainer: rectangles that become noise in normalised images, [microBatch], empty ones for images left alone; and
    // one mix for each group of the micro-batch. Nothing at all where the settings are off.
    std::span<formats::PixelBox> erased;
    std::span<Mix> mixes;
    std::int64_t firstSlot = 0; // place of the first image in the global batch
    std::int64_t micro = 0;     // 0 … accumulation-1
    Cursor cursor;              // of the global batch that this is a part of
};

/// Gives memory of that many bytes, aligned to 64, for instance pinned; null when there is none. Called by the constructing thread only.
using BufferFactory = std::function<std::shared_ptr<std::byte>(std::size_t bytes)>;

struct LoaderOptions {
    std::uint64_t seed = 0; // of order and augmentation
    AugmentOptions augment;
    std::shared_ptr<const LatentSet> latents; // read instead of the pixels, mirrored ones where an image would be mirrored; null: pixels
    /// Where batches see latents of several sides: of the same images, those that global batch 0, 1 … from `start` on reads; never of more
    /// values than `latents`. Any thread.
    std::function<const LatentSet*(std::int64_t batch)> latentsOf;
    int workers = 2;       // threads that decode ahead
    int prefetch = 4;      // micro-batches kept ready
    int held = 1;          // a batch stays untouched until `next` was called this many more times
    BufferFactory buffers; // empty: ordinary memory
    Log log;               // hears of images that could not be read, from any thread
};

/// Reads micro-batches ahead of the caller, strictly in order, with contents that do not depend on the number of threads.
/// An image that cannot be read is replaced by the next readable one of the epoch's list and named in a warning; above one in a
/// hundred images of the set the loader refuses to go on. Nothing is allocated here once the buffers exist.
class Loader {
public:
    /// Starts reading at once, at `start` or, when no whole batch is left there, at the next epoch.
    static Result<std::unique_ptr<Loader>> start(std::shared_ptr<const Dataset> dataset, const Share& share, Cursor start,
                                                 LoaderOptions options);
    virtual ~Loader() = default; // stops and joins the threads

    /// The next micro-batch, valid until `held` more calls. Cancelled when `stop` is requested. One caller at a time.
    virtual Result<HostBatch*> next(std::stop_token stop) = 0;
    /// Images found unreadable so far, each counted once. Any thread.
    virtual std::int64_t brokenImages() const = 0;
    /// Seconds that `next` has waited for data so far. The thread of `next`.
    virtual double secondsWaited() const = 0;
};

} // namespace espalier::data
