// SPDX-License-Identifier: Apache-2.0
#include "core/data/latent_cache.h"

#include "core/base/files.h"
#include "core/formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace espalier::data {
namespace fs = std::filesystem;

namespace {

/// Where things stand in a shard.
struct ShardPlaces {
    std::uint64_t moments = 0, mirrored = 0, labels = 0;
    std::vector<std::int64_t> broken;
};

class OpenFile {
public:
    explicit OpenFile(const fs::path& file) : m_fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {}
    ~OpenFile()
    {
        if (m_fd >= 0)
            ::close(m_fd);
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    /// errno when it fails; EIO for a file that ends before.
    int read(std::uint64_t offset, std::span<std::byte> into) const
    {
        if (m_fd < 0)
            return errno;
        while (!into.empty()) {
            const auto got = ::pread(m_fd, into.data(), into.size(), static_cast<off_t>(offset));
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                return got < 0 ? errno : EIO;
            offset += static_cast<std::uint64_t>(got);
            into = into.subspan(static_cast<std::size_t>(got));
        }
        return 0;
    }

private:
    int m_fd;
};

class LatentCache final : public LatentSet {
public:
    LatentCache(fs::path folder, const LatentDescription& description, std::vector<ShardPlaces> shards)
        : m_folder(std::move(folder)), m_description(description), m_shards(std::move(shards))
    {
    }

    LatentLayout layout() const override { return m_description.layout(); }

    Result<Done> readLatents(std::int64_t index, bool mirrored, std::span<float> values, std::int32_t& label) const override
    {
        const auto shard = index / m_description.shardImages;
        const auto row = static_cast<std::uint64_t>(index % m_description.shardImages);
        const auto& places = m_shards[static_cast<std::size_t>(shard)];
        if (std::binary_search(places.broken.begin(), places.broken.end(), index))
            return Error{ErrorCode::Format, "This image could not be decoded when its latents were made.", {}};
        const auto path = m_folder / shardFile(shard);
        const OpenFile file(path);
        std::int64_t wide = 0;
        auto problem = file.read((mirrored ? places.mirrored : places.moments) + row * layout().bytes(), std::as_writable_bytes(values));
        if (problem == 0)
            problem = file.read(places.labels + row * sizeof wide, std::as_writable_bytes(std::span(&wide, 1)));
        if (problem != 0) { // no matter of one image: the cache was whole when the training began
            auto error = ioError("read", path, problem);
            error.code = ErrorCode::Device;
            return error;
        }
        label = static_cast<std::int32_t>(wide);
        return Done{};
    }

private:
    const fs::path m_folder;
    const LatentDescription m_description;
    const std::vector<ShardPlaces> m_shards;
};

Result<ShardPlaces> placesIn(const fs::path& file, std::int64_t images, const LatentDescription& description)
{
    const auto reader = formats::SafetensorsReader::open(file);
    if (!reader)
        return reader.error();
    const auto layout = description.layout();
    const std::vector<std::int64_t> rows{images, 2 * layout.channels, layout.side, layout.side};
    ShardPlaces places;
    struct Wanted {
        const char* name;
        formats::DType dtype;
        std::vector<std::int64_t> shape;
        std::uint64_t& place;
    };
    std::vector<Wanted> wanted{{"moments", formats::DType::F32, rows, places.moments},
                               {"labels", formats::DType::I64, {images}, places.labels}};
    if (description.mirrored)
        wanted.push_back({"moments_mirrored", formats::DType::F32, rows, places.mirrored});
    for (const auto& each : wanted) {
        const auto* entry = reader->find(each.name);
        if (!entry || entry->dtype != each.dtype || entry->shape != each.shape)
            return Error{ErrorCode::Format,
                         fmt::format("{} holds no {} of {} images as it should. Remove that file; it is made again.", file.string(),
                                     each.name, images),
                         {}};
        each.place = entry->begin;
    }
    return places;
}

} // namespace

Result<std::shared_ptr<const LatentSet>> openLatentCache(const fs::path& folder, const LatentDescription& description)
{
    auto listed = readLatentManifest(folder, description);
    if (!listed)
        return listed.error();
    std::vector<ShardPlaces> shards;
    for (std::size_t i = 0; i < listed->size(); ++i) {
        const auto index = static_cast<std::int64_t>(i);
        auto places = placesIn(folder / shardFile(index), description.countOf(index), description);
        if (!places)
            return places.error();
        places->broken = std::move((*listed)[i].broken);
        std::sort(places->broken.begin(), places->broken.end());
        shards.push_back(*std::move(places));
    }
    return std::shared_ptr<const LatentSet>(std::make_shared<LatentCache>(folder, description, std::move(shards)));
}

fs::path latentFolder(const fs::path& caches, LatentDescription& description)
{
    auto both = description;
    both.mirrored = true;
    std::error_code ignored;
    if (!description.mirrored && fs::exists(caches / both.folderName() / "manifest.json", ignored))
        description = both;
    return caches / description.folderName();
}

} // namespace espalier::data
