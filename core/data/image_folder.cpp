// SPDX-License-Identifier: Apache-2.0
#include "core/data/image_folder.h"

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/data/folder_scan.h"
#include "core/formats/image_decode.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::data {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 28;

class ImageFolder final : public Dataset {
public:
    ImageFolder(FolderScan scan, const ImageFolderOptions& options) : m_scan(std::move(scan)), m_options(options)
    {
        std::string all(m_scan.files.letters());
        for (std::int64_t i = 0; i < m_scan.files.size(); ++i)
            all += fmt::format("\n{} {}", m_scan.files[i].size(), label(i));
        m_fingerprint =
            fmt::format("folder {} {} filter {}{}{}{}", m_scan.files.size(), sha256(std::as_bytes(std::span(all))),
                        static_cast<int>(options.framing.filter), options.scaledJpeg ? " scaled" : "", options.framing.adm ? " adm" : "",
                        options.framing.cropRatio != 1.0 ? fmt::format(" ratio {}", options.framing.cropRatio) : "");
    }

    std::int64_t size() const override { return m_scan.files.size(); }
    int side() const override { return m_options.side; }
    const std::vector<std::string>& classNames() const override { return m_scan.classNames; }
    std::int32_t label(std::int64_t index) const override
    {
        return m_scan.labels.empty() ? -1 : m_scan.labels[static_cast<std::size_t>(index)];
    }
    Result<Done> read(std::int64_t index, std::span<std::uint8_t> hwc, std::int32_t& label) const override
    {
        const auto image = decoded(index, label, m_options.scaledJpeg);
        if (!image)
            return image.error();
        const formats::Image square = m_options.framing.cut(*image, m_options.side);
        std::copy(square.rgb.begin(), square.rgb.end(), hwc.begin());
        return Done{};
    }
    Result<formats::Image> original(std::int64_t index, std::int32_t& label) const override { return decoded(index, label, false); }
    std::string nameOf(std::int64_t index) const override { return printable(m_scan.files[index]); }
    std::string description() const override
    {
        return fmt::format("{}, {}: {} images {}{}", m_scan.root.string(), data::nameOf(m_options.split), groupedNumber(size()),
                           classNames().empty() ? "without classes" : fmt::format("in {} classes", classNames().size()),
                           m_scan.skipped ? fmt::format(", {} other files skipped", m_scan.skipped) : "");
    }
    std::string fingerprint() const override { return m_fingerprint; }
    std::int64_t skippedFiles() const override { return m_scan.skipped; }

private:
    Result<formats::Image> decoded(std::int64_t index, std::int32_t& label, bool scaled) const
    {
        label = this->label(index);
        const std::string name = nameOf(index);
        const auto content = readFile(m_scan.root / m_scan.files[index], kLargestFile);
        if (!content)
            return content.error();
        const auto bytes = std::as_bytes(std::span(content->data(), content->size()));
        formats::DecodeOptions decode;
        if (scaled) {
            const auto info = formats::readImageInfo(bytes, name);
            if (!info)
                return info.error();
            const int shorter = std::min(info->width, info->height), needed = m_options.framing.resizedTo(m_options.side);
            while (decode.jpegDenominator < 8 && shorter / (decode.jpegDenominator * 2) >= needed)
                decode.jpegDenominator *= 2;
        }
        return formats::decodeImage(bytes, name, decode);
    }

    FolderScan m_scan;
    ImageFolderOptions m_options;
    std::string m_fingerprint;
};

} // namespace

Result<std::shared_ptr<const Dataset>> openImageFolder(const fs::path& root, const ImageFolderOptions& options, const Log& log)
{
    if (options.side < 1 || options.side > 1024)
        return Error{ErrorCode::Usage, fmt::format("data.side is {}; images can be 1 to 1024 pixels wide.", options.side), {}};
    auto scan = scanFolder(root, options.split, log);
    if (!scan)
        return scan.error();
    if (scan->skipped > 0 && log)
        log(LogLevel::Warning,
            fmt::format("Skipped {} files in {} that are no images by their name.", scan->skipped, printable(scan->root.string())));
    return std::shared_ptr<const Dataset>(std::make_shared<ImageFolder>(std::move(*scan), options));
}

} // namespace espalier::data
