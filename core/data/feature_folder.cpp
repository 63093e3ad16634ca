// SPDX-License-Identifier: Apache-2.0
#include "core/data/feature_folder.h"

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/data/folder_scan.h"
#include "core/data/latent_files.h"
#include "core/formats/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace espalier::data {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLargestFile = 16 << 20;

Error noImages(const fs::path& root)
{
    return {ErrorCode::Usage, fmt::format("{} holds latents and no images; name images with --reference.", printable(root.string())), {}};
}

class Features final : public FeatureFolder {
public:
    Features(fs::path root, PathList latents, PathList labels, const FeatureFolderOptions& options)
        : m_root(std::move(root)), m_latents(std::move(latents)), m_labels(std::move(labels)), m_options(options)
    {
        const auto both = std::string(m_latents.letters()) + "\n" + std::string(m_labels.letters());
        m_fingerprint = fmt::format("features {} {}", m_latents.size(), sha256(std::as_bytes(std::span(both.data(), both.size()))));
    }

    std::int64_t size() const override { return m_latents.size(); }
    int side() const override { return m_options.side; }
    const std::vector<std::string>& classNames() const override { return m_noNames; }
    bool hasPixels() const override { return false; }
    std::int32_t label(std::int64_t index) const override
    {
        const auto read = readLabel(index);
        return read ? *read : -1;
    }
    Result<Done> read(std::int64_t, std::span<std::uint8_t>, std::int32_t&) const override { return noImages(m_root); }
    std::string nameOf(std::int64_t index) const override { return printable(m_latents[index]); }
    std::string description() const override { return fmt::format("{}: latents of {} images", m_root.string(), groupedNumber(size())); }
    std::string fingerprint() const override { return m_fingerprint; }

    LatentLayout layout() const override { return {LatentDescription::kChannels, m_options.side / LatentDescription::kFactor, false}; }
    Result<Done> readLatents(std::int64_t index, bool, std::span<float> values, std::int32_t& label) const override
    {
        const auto name = nameOf(index);
        const auto array = readArray(m_latents[index]);
        if (!array)
            return array.error();
        auto shape = array->shape;
        if (shape.size() == 4 && shape.front() == 1)
            shape.erase(shape.begin());
        const auto wanted = layout();
        if (array->type != formats::kNpyFloat32 || shape != std::vector{wanted.channels, wanted.side, wanted.side})
            return Error{ErrorCode::Usage, // of every file, surely
                         fmt::format("{} holds no latents of images of side {}: float32 [1, {}, {}, {}] is expected. Set data.side to the "
                                     "side that they were made from.",
                                     name, m_options.side, wanted.channels, wanted.side, wanted.side),
                         {}};
        std::memcpy(values.data(), array->data.data(), array->data.size());
        const auto read = readLabel(index);
        if (!read)
            return read.error();
        label = *read;
        return Done{};
    }

private:
    Result<formats::NpyArray> readArray(std::string_view name) const
    {
        const auto content = readFile(m_root / name, kLargestFile);
        if (!content)
            return content.error();
        return formats::parseNpy(std::as_bytes(std::span(content->data(), content->size())), printable(name));
    }
    Result<std::int32_t> readLabel(std::int64_t index) const
    {
        const auto array = readArray(m_labels[index]);
        if (!array)
            return array.error();
        const auto values = formats::toIntegers(*array, printable(m_labels[index]));
        if (!values)
            return values.error();
        if (values->size() != 1)
            return Error{
                ErrorCode::Format, fmt::format("{} holds {} labels; one is expected.", printable(m_labels[index]), values->size()), {}};
        const auto label = values->front();
        if (label < 0 || label > 1'000'000 || (m_options.classes > 0 && label >= m_options.classes))
            return Error{ErrorCode::Usage,
                         fmt::format("{} holds the label {}, but model.num_classes is {}: labels go from 0 to {}.",
                                     printable(m_labels[index]), label, m_options.classes,
                                     std::max<std::int64_t>(m_options.classes, 1) - 1),
                         {}};
        return static_cast<std::int32_t>(label);
    }

    const fs::path m_root;
    const PathList m_latents, m_labels; // relative to the root
    const FeatureFolderOptions m_options;
    const std::vector<std::string> m_noNames;
    std::string m_fingerprint;
};

/// The one folder in `root` whose name ends so.
Result<fs::path> folderEnding(const fs::path& root, std::string_view end)
{
    std::vector<fs::path> found;
    std::error_code problem;
    for (fs::directory_iterator at(root, problem), none; !problem && at != none; at.increment(problem))
        if (at->is_directory() && at->path().filename().string().ends_with(end))
            found.push_back(at->path().filename());
    if (problem)
        return ioError("read the folder", root, problem.value());
    if (found.size() != 1)
        return Error{ErrorCode::Usage,
                     fmt::format("{} has {} folders whose names end in \"{}\", and needs one (fast-DiT makes imagenet256_features and "
                                 "imagenet256_labels). Set data.path to the folder that holds them.",
                                 printable(root.string()), found.size(), end),
                     "data.path"};
    return found.front();
}

/// Its .npy files in the order of their names, relative to `root`.
Result<PathList> arraysIn(const fs::path& root, const fs::path& folder)
{
    std::vector<std::string> names;
    std::error_code problem;
    for (fs::directory_iterator at(root / folder, problem), none; !problem && at != none; at.increment(problem))
        if (at->path().extension() == ".npy")
            names.push_back((folder / at->path().filename()).string());
    if (problem)
        return ioError("read the folder", root / folder, problem.value());
    std::sort(names.begin(), names.end());
    PathList list;
    for (const auto& name : names)
        list.add(name);
    return list;
}

} // namespace

Result<std::shared_ptr<const FeatureFolder>> openFeatureFolder(const fs::path& root, const FeatureFolderOptions& options)
{
    PathList lists[2];
    for (int i = 0; i < 2; ++i) {
        const auto folder = folderEnding(root, i == 0 ? "features" : "labels");
        if (!folder)
            return folder.error();
        auto list = arraysIn(root, *folder);
        if (!list)
            return list.error();
        lists[i] = *std::move(list);
    }
    if (lists[0].size() != lists[1].size() || lists[0].size() == 0)
        return Error{ErrorCode::Usage,
                     fmt::format("{} has {} files of latents and {} of labels; each image needs one of both.", printable(root.string()),
                                 groupedNumber(lists[0].size()), groupedNumber(lists[1].size())),
                     "data.path"};
    return std::shared_ptr<const FeatureFolder>(std::make_shared<Features>(root, std::move(lists[0]), std::move(lists[1]), options));
}

} // namespace espalier::data
