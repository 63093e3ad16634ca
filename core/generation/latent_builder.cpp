// SPDX-License-Identifier: Apache-2.0
#include "core/generation/latent_builder.h"

#include "core/base/text.h"
#include "core/generation/shard_images.h"
#include "core/machine/disk.h"
#include "core/tensors/tensor_files.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <optional>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace espalier::generation {
namespace fs = std::filesystem;
using data::LatentShard;
namespace {

Error cancelled()
{
    return {ErrorCode::Cancelled, "Stopped while latents were made. What is there is kept; the next start goes on with it."};
}

std::uint64_t bytesOf(const data::LatentDescription& about, std::uint64_t images)
{
    return about.images == 0 ? 0 : about.bytes() / static_cast<std::uint64_t>(about.images) * images;
}

/// Only one process writes into a cache.
class FolderLock {
public:
    explicit FolderLock(const fs::path& folder) : m_fd(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {}
    ~FolderLock()
    {
        if (m_fd >= 0)
            ::close(m_fd);
    }
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;
    /// False while another process holds it. A disk that knows no locks has nobody to wait for.
    bool take() const { return m_fd < 0 || ::flock(m_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

private:
    int m_fd;
};

class Builder {
public:
    Builder(const LatentWork& work, std::stop_token stop) : m_work(work), m_about(work.description), m_stop(std::move(stop)) {}

    Result<Done> run()
    {
        std::error_code said; // by claim(), which needs the folder too
        fs::create_directories(m_work.folder, said);
        const FolderLock lock(m_work.folder);
        if (auto mine = waitForTurn(lock); !mine)
            return mine;
        if (auto claimed = claim(); !claimed)
            return claimed;
        const auto missing = findMissing();
        if (!missing)
            return missing.error();
        if (auto room = checkRoom(*missing); !room)
            return room;
        if (auto made = makeAll(*missing); !made)
            return made;
        return finish();
    }

private:
    bool first() const { return m_work.ranks.rank == 0; }
    void tell(const char* what, std::int64_t done, std::int64_t of) const
    {
        if (m_work.progress)
            m_work.progress(what, done, of);
    }
    void agree(std::vector<std::int64_t>& values) const
    {
        if (m_work.ranks.maximum)
            m_work.ranks.maximum(values);
    }
    /// Whether any rank was stopped: all learn it at the same point.
    bool anyStopped() const
    {
        std::vector<std::int64_t> stopped{m_stop.stop_requested() ? 1 : 0};
        agree(stopped);
        return stopped.front() != 0;
    }

    Result<Done> waitForTurn(const FolderLock& lock) const
    {
        for (;;) {
            std::vector<std::int64_t> waits{first() && !lock.take() ? 1 : 0};
            agree(waits);
            if (waits.front() == 0)
                return Done{};
            tell("waiting for another process that makes the same latents", 0, 0);
            std::this_thread::sleep_for(std::chrono::seconds(1));
            if (anyStopped())
                return cancelled();
        }
    }

    /// Rank 0 before the others, and under the lock: what is half written when it comes was left by a kill.
    Result<Done> claim() const
    {
        auto claimed = first() ? data::claimLatentFolder(m_work.folder, m_about) : Result<Done>(Done{});
        if (first() && claimed)
            removeRests();
        std::vector<std::int64_t> refused{claimed ? 0 : 1};
        agree(refused);
        if (!first())
            claimed = data::claimLatentFolder(m_work.folder, m_about);
        if (claimed && refused.front() != 0)
            return Error{ErrorCode::Lost, "Rank 0 could not begin to make latents; it says why."};
        return claimed;
    }

    /// What a kill left beside the final names.
    void removeRests() const
    {
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator(m_work.folder, ignored))
            if (const auto name = entry.path().filename().string(); name.starts_with(".") && name.ends_with(".part"))
                fs::remove(entry.path(), ignored);
    }

    /// Shards that are not there with the bytes that were written. Ranks share the reading.
    Result<std::vector<std::int64_t>> findMissing()
    {
        const auto noted = data::notedShards(m_work.folder, m_about);
        std::vector<std::int64_t> flags(noted.size(), 0), missing;
        for (std::size_t i = 0; i < flags.size() && !m_stop.stop_requested(); ++i) {
            const auto index = static_cast<std::int64_t>(i);
            if (index % m_work.ranks.world != m_work.ranks.rank)
                continue;
            tell("checking latents", index, m_about.shards());
            const bool whole = noted[i] && data::isWhole(m_work.folder, index, *noted[i]);
            flags[i] = whole ? 0 : 1;
            if (noted[i] && !whole && m_work.log)
                m_work.log(LogLevel::Warning,
                           fmt::format("{} is missing or damaged; it is made again.", (m_work.folder / data::shardFile(index)).string()));
        }
        agree(flags);
        if (anyStopped())
            return cancelled();
        for (std::size_t i = 0; i < flags.size(); ++i)
            if (flags[i] != 0)
                missing.push_back(static_cast<std::int64_t>(i));
        return missing;
    }

    Result<Done> checkRoom(const std::vector<std::int64_t>& missing) const
    {
        std::uint64_t images = 0;
        for (const auto shard : missing)
            images += static_cast<std::uint64_t>(m_about.countOf(shard));
        const auto needed = bytesOf(m_about, images);
        const auto space = machine::diskSpace(m_work.folder);
        if (space && space->freeBytes < needed)
            return Error{ErrorCode::Io,
                         fmt::format("The latents of {} images need {} in {}, and {} are free there. Free some, or set latents.cache to a "
                                     "folder on another disk.",
                                     groupedNumber(static_cast<std::int64_t>(images)), bytesText(needed), m_work.folder.string(),
                                     bytesText(space->freeBytes)),
                         "latents.cache"};
        return Done{};
    }

    /// In rounds of one shard for each rank; within a round all go through the same number of pieces, and look for a stop after each.
    Result<Done> makeAll(const std::vector<std::int64_t>& missing)
    {
        const auto world = static_cast<std::size_t>(m_work.ranks.world), rank = static_cast<std::size_t>(m_work.ranks.rank);
        const auto before = m_about.shards() - static_cast<std::int64_t>(missing.size());
        if (first() && !missing.empty() && m_work.log)
            m_work.log(LogLevel::Info, fmt::format("Encoding {} of {} shards of latents into {}.", missing.size(), m_about.shards(),
                                                   m_work.folder.string()));
        for (std::size_t from = 0; from < missing.size(); from += world) {
            std::optional<std::int64_t> mine;
            if (from + rank < missing.size())
                mine = missing[from + rank];
            const auto done = (before + static_cast<std::int64_t>(from)) * m_about.shardImages;
            if (auto made = makeShard(mine, done); !made)
                return made;
        }
        return Done{};
    }

    Result<Done> makeShard(std::optional<std::int64_t> shard, std::int64_t done)
    {
        const auto count = shard ? m_about.countOf(*shard) : 0, first = shard ? m_about.firstOf(*shard) : 0;
        const auto layout = m_about.layout();
        std::optional<ShardImages> images;
        if (shard)
            images.emplace(*m_work.dataset, first, count, m_work.workers, m_work.log);
        auto moments = at::zeros({count, 2 * layout.channels, layout.side, layout.side});
        auto mirrored = m_about.mirrored ? at::zeros_like(moments) : at::Tensor();
        const auto piece = m_work.codec->piece(m_about.side);
        for (std::int64_t from = 0; from < m_about.shardImages; from += piece) {
            const auto n = std::min(piece, count - from);
            if (n > 0 && !m_stop.stop_requested()) {
                const auto batch = images->take(from, n);
                if (!batch)
                    return batch.error();
                moments.narrow(0, from, n).copy_(m_work.codec->encode(*batch));
                if (mirrored.defined())
                    mirrored.narrow(0, from, n).copy_(m_work.codec->encode(batch->flip(2)));
            }
            tell("encoding latents", std::min(done + (from + std::max<std::int64_t>(n, 0)) * m_work.ranks.world, m_about.images),
                 m_about.images);
            if (anyStopped())
                return cancelled();
        }
        return shard ? write(*shard, moments, mirrored, *images) : Result<Done>(Done{});
    }

    Result<Done> write(std::int64_t shard, const at::Tensor& moments, const at::Tensor& mirrored, const ShardImages& images) const
    {
        for (const auto broken : images.broken())
            for (const auto& each : {moments, mirrored})
                if (each.defined())
                    each[broken - m_about.firstOf(shard)].zero_();
        auto labels = at::empty({moments.size(0)}, at::kLong);
        for (std::int64_t i = 0; i < labels.size(0); ++i)
            labels[i] = m_work.dataset->label(m_about.firstOf(shard) + i);
        tensors::NamedTensors all{{"moments", moments}, {"labels", labels}};
        if (mirrored.defined())
            all.emplace_back("moments_mirrored", mirrored);
        const auto written = tensors::writeTensors(m_work.folder / data::shardFile(shard), all,
                                                   {{"format", "espalier-latents"}, {"first", std::to_string(m_about.firstOf(shard))}});
        if (!written)
            return written.error();
        return data::noteShard(m_work.folder, shard, {written->bytes, written->sha256, images.broken()});
    }

    Result<Done> finish() const
    {
        if (first() && !data::readLatentManifest(m_work.folder, m_about)) {
            std::vector<LatentShard> shards;
            std::int64_t broken = 0;
            for (auto& noted : data::notedShards(m_work.folder, m_about)) {
                if (!noted)
                    return Error{ErrorCode::Io,
                                 fmt::format("Shards in {} went away while it was made. Start again.", m_work.folder.string())};
                broken += static_cast<std::int64_t>(noted->broken.size());
                shards.push_back(*std::move(noted));
            }
            if (broken * 100 > m_about.images)
                return Error{ErrorCode::Format, fmt::format("More than 1 % of the images cannot be read: {} of {}; repair or remove them.",
                                                            broken, groupedNumber(m_about.images))};
            if (auto written = data::finishLatentFolder(m_work.folder, m_about, shards); !written)
                return written;
        }
        return anyStopped() ? Result<Done>(cancelled()) : Result<Done>(Done{}); // also: nobody reads before it is written
    }

    const LatentWork& m_work;
    const data::LatentDescription& m_about;
    const std::stop_token m_stop;
};

} // namespace

Result<Done> prepareLatents(const LatentWork& work, std::stop_token stop)
{
    return Builder(work, std::move(stop)).run();
}

data::LatentDescription describeLatents(const config::RunConfig& config, const data::Dataset& dataset, const LatentCodec& codec)
{
    return {.data = dataset.fingerprint(),
            .images = dataset.size(),
            .side = config.data.side,
            .encoder = codec.encoderSha256(),
            .mirrored = config.data.flip};
}

std::uint64_t missingBytes(const fs::path& folder, const data::LatentDescription& description)
{
    const auto noted = data::notedShards(folder, description);
    std::uint64_t images = 0;
    for (std::size_t i = 0; i < noted.size(); ++i)
        if (!noted[i])
            images += static_cast<std::uint64_t>(description.countOf(static_cast<std::int64_t>(i)));
    return bytesOf(description, images);
}

fs::path latentCaches(const config::RunConfig& config, const fs::path& dataFolder)
{
    return config.latents.cache.empty() ? dataFolder / "latents" : fs::path(config.latents.cache);
}

} // namespace espalier::generation
