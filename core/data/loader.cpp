// SPDX-License-Identifier: Apache-2.0
#include "core/data/loader.h"

#include "core/base/text.h"
#include "core/data/broken_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace espalier::data {

namespace {

constexpr std::int64_t kChunk = 8; // images that a thread takes at once

std::shared_ptr<std::byte> ordinaryMemory(std::size_t bytes)
{
    constexpr std::size_t kAlignment = 64;
    const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
    return {static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)), [](std::byte* p) { std::free(p); }};
}

/// Without mixing nothing depends on groups: one is the whole batch, so that the order does not depend on ranks either.
std::int64_t groupOf(const Share& share, const AugmentOptions& augment)
{
    if (!augment.mix.on())
        return share.globalBatch;
    return augment.mixGroup > 0 ? augment.mixGroup : share.microBatch;
}

/// A ring of buffers between the threads that fill them and the one caller that empties them, all under one mutex.
class RingLoader final : public Loader {
public:
    RingLoader(std::shared_ptr<const Dataset> dataset, const Share& share, Cursor start, LoaderOptions options)
        : m_dataset(std::move(dataset)), m_share(share), m_options(std::move(options)), m_group(groupOf(m_share, m_options.augment)),
          m_cursor(start), m_broken(*m_dataset, m_options.log)
    {
    }
    ~RingLoader() override
    {
        for (auto& thread : m_threads)
            thread.request_stop();
        m_threads.clear(); // joins
    }

    Result<Done> begin()
    {
        const auto images = static_cast<std::size_t>(m_share.microBatch);
        const auto make = m_options.buffers ? m_options.buffers : BufferFactory(ordinaryMemory);
        m_cells.resize(static_cast<std::size_t>(m_options.prefetch + m_options.held));
        for (Cell& cell : m_cells) {
            cell.imageMemory = make(images * recordBytes());
            cell.labelMemory = make(images * sizeof(std::int32_t));
            if (!cell.imageMemory || !cell.labelMemory)
                return Error{ErrorCode::Memory,
                             fmt::format("No memory for {} micro-batches of {} images; lower data.prefetch or training.micro_batch.",
                                         m_cells.size(), images),
                             {}};
            if (!m_options.latents)
                cell.batch.images = {reinterpret_cast<std::uint8_t*>(cell.imageMemory.get()), images * recordBytes()};
            cell.batch.labels = {reinterpret_cast<std::int32_t*>(cell.labelMemory.get()), images};
            if (m_options.augment.erase > 0.0)
                cell.erased.resize(images);
            if (m_options.augment.mix.on())
                cell.mixes.resize(static_cast<std::size_t>(m_share.microBatch / m_group));
            cell.batch.erased = cell.erased;
            cell.batch.mixes = cell.mixes;
        }
        for (int i = 0; i < m_options.workers; ++i)
            m_threads.emplace_back([this](std::stop_token stop) { work(stop); });
        return Done{};
    }

    Result<HostBatch*> next(std::stop_token stop) override
    {
        std::unique_lock lock(m_mutex);
        m_free = std::max(m_free, m_given - m_options.held + 1);
        m_spaceMade.notify_all();
        Cell& cell = cellOf(m_given);
        const auto isReady = [&] { return cell.sequence == m_given && cell.left == 0; };
        if (!isReady()) {
            const auto since = std::chrono::steady_clock::now();
            m_batchReady.wait(lock, stop, [&] { return isReady() || m_failure; });
            m_waited += std::chrono::steady_clock::now() - since;
        }
        if (isReady()) {
            ++m_given;
            return &cell.batch;
        }
        if (m_failure)
            return *m_failure;
        return Error{ErrorCode::Cancelled, "Stopped while waiting for training images.", {}};
    }

    std::int64_t brokenImages() const override { return m_broken.count(); }
    double secondsWaited() const override { return m_waited.count(); }

private:
    struct Cell {
        HostBatch batch;
        std::shared_ptr<std::byte> imageMemory, labelMemory;
        std::vector<formats::PixelBox> erased;
        std::vector<Mix> mixes;
        std::int64_t sequence = -1; // which micro-batch of this loader stands here
        std::int64_t left = 0;      // images that are still to be read
        const LatentSet* latents = nullptr;
    };
    struct Piece { // some images of one micro-batch
        Cell* cell = nullptr;
        std::int64_t begin = 0, end = 0;
    };

    std::size_t recordBytes() const { return m_options.latents ? m_options.latents->layout().bytes() : m_dataset->imageBytes(); }
    Cell& cellOf(std::int64_t sequence) { return m_cells[static_cast<std::size_t>(sequence) % m_cells.size()]; }

    void work(std::stop_token stop)
    {
        try {
            Augmenter augmenter(m_options.augment, m_options.seed);
            for (;;) {
                const Piece piece = take(stop);
                if (!piece.cell)
                    return;
                for (std::int64_t i = piece.begin; i < piece.end; ++i) {
                    if (stop.stop_requested())
                        return;
                    if (auto read = readSlot(*piece.cell, i, augmenter); !read)
                        return fail(read.error());
                }
                finish(piece);
            }
        } catch (const std::bad_alloc&) {
            fail({ErrorCode::Memory, "No memory left to decode images; lower data.workers or data.prefetch.", {}});
        } catch (const std::exception& e) {
            fail({ErrorCode::Internal, "Reading training images failed.", e.what()});
        }
    }

    // Waits for room and takes the next images in order, whoever asks.
    Piece take(std::stop_token stop)
    {
        std::unique_lock lock(m_mutex);
        const auto room = [&] { return m_failure || m_sequence < m_free + static_cast<std::int64_t>(m_cells.size()); };
        if (!m_spaceMade.wait(lock, stop, room) || m_failure || stop.stop_requested())
            return {};
        Cell& cell = cellOf(m_sequence);
        if (m_nextImage == 0) {
            cell.sequence = m_sequence;
            cell.left = m_share.microBatch;
            cell.batch.cursor = m_cursor;
            cell.batch.micro = m_micro;
            cell.batch.firstSlot = m_share.firstSlot(m_micro);
            cell.latents = m_options.latentsOf ? m_options.latentsOf(m_sequence / m_share.accumulation) : m_options.latents.get();
            if (cell.latents)
                cell.batch.latents = {reinterpret_cast<float*>(cell.imageMemory.get()),
                                      static_cast<std::size_t>(m_share.microBatch * cell.latents->layout().values())};
            for (std::size_t g = 0; g < cell.mixes.size(); ++g)
                cell.mixes[g] = mixAt(m_options.augment.mix, m_dataset->side(), m_options.seed, m_cursor.epoch,
                                      m_cursor.position + cell.batch.firstSlot + static_cast<std::int64_t>(g) * m_group);
        }
        const Piece piece{&cell, m_nextImage, std::min(m_nextImage + kChunk, m_share.microBatch)};
        m_nextImage = piece.end;
        if (m_nextImage == m_share.microBatch) {
            m_nextImage = 0;
            ++m_sequence;
            if (++m_micro == m_share.accumulation) {
                m_micro = 0;
                m_cursor.advance(m_share.globalBatch, m_dataset->size());
            }
        }
        return piece;
    }

    Result<Done> readSlot(Cell& cell, std::int64_t i, Augmenter& augmenter)
    {
        auto& batch = cell.batch;
        const std::int64_t slot = batch.firstSlot + i, epoch = batch.cursor.epoch, position = batch.cursor.position + slot;
        const auto at = static_cast<std::size_t>(i);
        const Permutation order(m_options.seed, Stream::Order, static_cast<std::uint64_t>(epoch), m_dataset->size());
        const auto place = repeatedPlace(batch.cursor.position, slot, m_options.augment.repeats, m_share.globalBatch, m_group);
        if (cell.latents) {
            const auto values = static_cast<std::size_t>(cell.latents->layout().values());
            const bool mirrored = m_options.augment.flip && flips(m_options.seed, epoch, position);
            return m_broken.readFrom(order, place, [&](std::int64_t index) {
                return cell.latents->readLatents(index, mirrored, batch.latents.subspan(at * values, values), batch.labels[at]);
            });
        }
        const auto hwc = batch.images.subspan(at * m_dataset->imageBytes(), m_dataset->imageBytes());
        const int side = m_dataset->side();
        auto read = m_broken.readFrom(order, place, [&](std::int64_t index) -> Result<Done> {
            if (!augmenter.cuts())
                return m_dataset->read(index, hwc, batch.labels[at]);
            const auto original = m_dataset->original(index, batch.labels[at]);
            if (!original)
                return original.error();
            augmenter.cut(*original, side, epoch, position, hwc);
            return Done{};
        });
        if (!read)
            return read;
        augmenter.change(hwc, side, epoch, position);
        if (!batch.erased.empty())
            batch.erased[at] = augmenter.erased(side, epoch, position);
        return Done{};
    }

    void finish(const Piece& piece)
    {
        std::lock_guard lock(m_mutex);
        piece.cell->left -= piece.end - piece.begin;
        if (piece.cell->left == 0)
            m_batchReady.notify_all();
    }

    void fail(Error error)
    {
        std::lock_guard lock(m_mutex);
        if (!m_failure)
            m_failure = std::move(error);
        m_batchReady.notify_all();
        m_spaceMade.notify_all();
    }

    const std::shared_ptr<const Dataset> m_dataset;
    const Share m_share;
    const LoaderOptions m_options;
    const std::int64_t m_group; // images that are mixed with each other, and that copies of an image are dealt out to

    std::mutex m_mutex; // guards what follows, up to the threads; the images of a cell belong to who took them
    std::condition_variable_any m_spaceMade, m_batchReady;
    std::vector<Cell> m_cells;
    Cursor m_cursor;              // of micro-batch m_sequence
    std::int64_t m_micro = 0;     // of micro-batch m_sequence
    std::int64_t m_sequence = 0;  // micro-batch that is being handed out to threads
    std::int64_t m_nextImage = 0; // its first image that no thread has taken
    std::int64_t m_free = 0;      // micro-batches below may be overwritten
    std::int64_t m_given = 0;     // micro-batches that `next` has returned
    std::optional<Error> m_failure;

    BrokenImages m_broken;
    std::chrono::duration<double> m_waited{};
    std::vector<std::jthread> m_threads; // last: joined before anything they use is gone
};

Result<Done> check(const Dataset& dataset, const Share& share, const LoaderOptions& options)
{
    const auto usage = [](std::string text) { return Error{ErrorCode::Usage, std::move(text), {}}; };
    if (share.microBatch < 1 || share.accumulation < 1 || share.world < 1 || share.rank < 0 || share.rank >= share.world ||
        share.microBatch > share.globalBatch || share.globalBatch % share.microBatch != 0 ||
        share.globalBatch / share.microBatch != share.accumulation * share.world)
        return usage(
            fmt::format("training.batch_size is {}, but {} ranks with {} micro-batches of {} make another number; let the sizes multiply "
                        "up to it.",
                        share.globalBatch, share.world, share.accumulation, share.microBatch));
    if (share.globalBatch > dataset.size())
        return usage(fmt::format("training.batch_size is {}, but the data set has only {} images; choose a smaller batch.",
                                 share.globalBatch, groupedNumber(dataset.size())));
    if (options.workers < 1 || options.prefetch < 1 || options.held < 1)
        return usage("data.workers and data.prefetch have to be at least 1.");
    if (options.augment.repeats < 1)
        return usage("data.augment.repeats has to be at least 1.");
    if (options.augment.mix.on() && (options.augment.mixGroup < 0 || share.microBatch % groupOf(share, options.augment) != 0))
        return usage(fmt::format("data.augment.mix_group is {}, which does not divide the micro-batch of {} images; choose a divisor.",
                                 options.augment.mixGroup, share.microBatch));
    return Done{};
}

} // namespace

Result<std::unique_ptr<Loader>> Loader::start(std::shared_ptr<const Dataset> dataset, const Share& share, Cursor start,
                                              LoaderOptions options)
{
    if (auto checked = check(*dataset, share, options); !checked)
        return checked.error();
    const Cursor from = start.fitted(share.globalBatch, dataset->size());
    auto loader = std::make_unique<RingLoader>(std::move(dataset), share, from, std::move(options));
    if (auto begun = loader->begin(); !begun)
        return begun.error();
    return std::unique_ptr<Loader>(std::move(loader));
}

} // namespace espalier::data
