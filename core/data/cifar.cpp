// SPDX-License-Identifier: Apache-2.0
#include "core/data/cifar.h"

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/formats/tar_gz.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

namespace espalier::data {

namespace fs = std::filesystem;

namespace {

constexpr int kSide = 32;
constexpr std::size_t kPlane = kSide * kSide;
constexpr std::size_t kPixels = 3 * kPlane;
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 30;
constexpr const char* kPage = "https://www.cs.toronto.edu/~kriz/cifar.html";

/// One of the two versions, as distributed.
struct Version {
    const char* archive;
    std::uint64_t archiveBytes;
    const char* md5;
    const char* folder;
    std::vector<std::string> train, test;
    const std::vector<std::string>& of(Split split) const { return split == Split::Train ? train : test; }
};

/// What is published under that name.
struct Publication {
    const char* title;
    std::int64_t rowsPerTrainFile;
    Version binary, python;
};

const Publication& publicationOf(CifarKind kind)
{
    static const Publication kTen{cifarTitle(CifarKind::Cifar10),
                                  10000,
                                  {"cifar-10-binary.tar.gz",
                                   170052171,
                                   "c32a1d4ab5d03f1284b67883e8d87530",
                                   "cifar-10-batches-bin",
                                   {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
                                   {"test_batch.bin"}},
                                  {"cifar-10-python.tar.gz",
                                   170498071,
                                   "c58f30108f718f92721af3b95e74349a",
                                   "cifar-10-batches-py",
                                   {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"},
                                   {"test_batch"}}};
    static const Publication kHundred{
        cifarTitle(CifarKind::Cifar100),
        50000,
        {"cifar-100-binary.tar.gz", 168513733, "03b5dce01913d631647c71ecec9e9cb8", "cifar-100-binary", {"train.bin"}, {"test.bin"}},
        {"cifar-100-python.tar.gz", 169001437, "eb9058c3a382ffc7106e4002c42a8d85", "cifar-100-python", {"train"}, {"test"}}};
    return kind == CifarKind::Cifar10 ? kTen : kHundred;
}

std::string howToGet(const Publication& p, const fs::path& folder)
{
    return fmt::format("Get {} ({} bytes, MD5 {}) from {} and put it, packed or unpacked, into {}", p.binary.archive, p.binary.archiveBytes,
                       p.binary.md5, kPage, folder.string());
}

bool isFile(const fs::path& path)
{
    std::error_code none;
    return fs::is_regular_file(path, none);
}

class Cifar final : public Dataset {
public:
    Cifar(CifarRows rows, const CifarOptions& options) : m_rows(std::move(rows)), m_options(options)
    {
        const std::string hashes = sha256(std::as_bytes(std::span(m_rows.planes))) + sha256(std::as_bytes(std::span(m_rows.labels)));
        m_fingerprint = fmt::format("{} {} {}", publicationOf(options.kind).title, data::nameOf(options.split),
                                    sha256(std::as_bytes(std::span(hashes))));
        if (options.side != kSide)
            m_fingerprint += fmt::format(" filter {}", static_cast<int>(options.filter));
    }

    std::int64_t size() const override { return m_rows.size(); }
    int side() const override { return m_options.side; }
    const std::vector<std::string>& classNames() const override { return cifarClassNames(m_options.kind); }
    std::int32_t label(std::int64_t index) const override { return m_rows.labels[static_cast<std::size_t>(index)]; }
    Result<Done> read(std::int64_t index, std::span<std::uint8_t> hwc, std::int32_t& label) const override
    {
        label = this->label(index);
        const std::uint8_t* planes = m_rows.planes.data() + static_cast<std::size_t>(index) * kPixels;
        if (m_options.side == kSide) {
            weave(planes, hwc.data());
            return Done{};
        }
        auto image = formats::Image::ofSize(kSide, kSide);
        weave(planes, image.rgb.data());
        const auto resized = formats::resize(image, m_options.side, m_options.side, m_options.filter);
        std::copy(resized.rgb.begin(), resized.rgb.end(), hwc.begin());
        return Done{};
    }
    std::string nameOf(std::int64_t index) const override
    {
        return fmt::format("{} {} {}", publicationOf(m_options.kind).title, data::nameOf(m_options.split), index);
    }
    std::string description() const override
    {
        return fmt::format("{}, {}: {} images in {} classes", publicationOf(m_options.kind).title, data::nameOf(m_options.split),
                           groupedNumber(size()), classNames().size());
    }
    std::string fingerprint() const override { return m_fingerprint; }

private:
    static void weave(const std::uint8_t* planes, std::uint8_t* hwc)
    {
        for (std::size_t i = 0; i < kPlane; ++i)
            for (std::size_t c = 0; c < 3; ++c)
                hwc[i * 3 + c] = planes[c * kPlane + i];
    }

    CifarRows m_rows;
    CifarOptions m_options;
    std::string m_fingerprint;
};

/// Appends the files of a split in their order; rows that are not as many as published are worth a warning.
Result<Done> appendAll(CifarRows& rows, const CifarOptions& options, const Version& version,
                       const std::map<std::string, std::string>& contents, const fs::path& where, const Log& log)
{
    const Publication& p = publicationOf(options.kind);
    for (const auto& name : version.of(options.split)) {
        const auto found = contents.find(name);
        if (found == contents.end())
            return Error{ErrorCode::Io, fmt::format("{} lacks {}. {}.", where.string(), name, howToGet(p, where.parent_path())), {}};
        const std::int64_t before = rows.size();
        const auto bytes = std::as_bytes(std::span(found->second));
        const std::string file = (where / name).string();
        auto added = &version == &p.python ? rows.appendPython(bytes, options.kind, file) : rows.append(bytes, options.kind, file);
        if (!added)
            return Error{added.error().code, fmt::format("{} {}.", added.error().message, howToGet(p, where.parent_path())), {}};
        const std::int64_t published = options.split == Split::Train ? p.rowsPerTrainFile : 10000;
        if (rows.size() - before != published && log)
            log(LogLevel::Warning, fmt::format("{} has {} images; the published file has {}.", file, rows.size() - before, published));
    }
    return Done{};
}

Result<CifarRows> readFolder(const fs::path& folder, const CifarOptions& options, const Version& version, const Log& log)
{
    CifarRows rows;
    std::map<std::string, std::string> contents;
    for (const auto& name : version.of(options.split)) {
        if (!isFile(folder / name))
            continue; // said below, with what to do
        auto content = readFile(folder / name, kLargestFile);
        if (!content)
            return content.error();
        contents.emplace(name, std::move(*content));
    }
    if (auto all = appendAll(rows, options, version, contents, folder, log); !all)
        return all.error();
    return rows;
}

/// The files of one split out of an archive that has one of the two versions, whatever it is called.
Result<CifarRows> readArchive(const fs::path& archive, const CifarOptions& options, const Log& log)
{
    const Publication& p = publicationOf(options.kind);
    const auto broken = [&](const Error& why) {
        const Version& whole = archive.filename() == p.python.archive ? p.python : p.binary;
        std::error_code none;
        const auto bytes = fs::file_size(archive, none);
        return Error{why.code,
                     fmt::format("{} {} has {} bytes; {} of {} has {} bytes and MD5 {}. Get it anew from {}.", why.message,
                                 archive.string(), none ? 0 : bytes, whole.archive, p.title, whole.archiveBytes, whole.md5, kPage),
                     why.detail};
    };
    formats::TarLimits limits;
    limits.totalBytes = std::uint64_t{2} << 30;
    limits.members = 1000;
    auto reader = formats::TarReader::open(archive, limits);
    if (!reader)
        return broken(reader.error());
    const Version* version = nullptr; // known by the first file that only one of them has
    std::map<std::string, std::string> contents;
    while (!version || contents.size() < version->of(options.split).size()) {
        auto member = reader->next();
        if (!member)
            return broken(member.error());
        if (!*member)
            break;
        const std::string name = fs::path((*member)->name).filename().string();
        if (!(*member)->isFile || contents.contains(name))
            continue;
        for (const Version* each : {&p.binary, &p.python}) {
            const auto& wanted = each->of(options.split);
            if ((version && version != each) || std::find(wanted.begin(), wanted.end(), name) == wanted.end())
                continue;
            auto content = reader->readAll(kLargestFile);
            if (!content)
                return broken(content.error());
            contents.emplace(name, std::move(*content));
            version = each;
            break;
        }
    }
    CifarRows rows;
    if (auto all = appendAll(rows, options, version ? *version : p.binary, contents, archive, log); !all)
        return all.error();
    return rows;
}

Result<CifarRows> readPlace(const fs::path& given, const CifarOptions& options, const Log& log)
{
    const fs::path place = given.has_filename() ? given : given.parent_path(); // a slash at the end
    const Publication& p = publicationOf(options.kind);
    const auto holds = [](const fs::path& folder, const Version& version) {
        return isFile(folder / version.train.front()) || isFile(folder / version.test.front());
    };
    if (isFile(place)) {
        for (const Version* version : {&p.binary, &p.python})
            for (const auto* names : {&version->train, &version->test})
                if (std::find(names->begin(), names->end(), place.filename().string()) != names->end())
                    return readFolder(place.parent_path(), options, *version, log);
        return readArchive(place, options, log);
    }
    for (const Version* version : {&p.binary, &p.python})
        for (const fs::path& folder : {place, place / version->folder})
            if (holds(folder, *version))
                return readFolder(folder, options, *version, log);
    for (const Version* version : {&p.binary, &p.python})
        if (isFile(place / version->archive))
            return readArchive(place / version->archive, options, log);
    return Error{ErrorCode::Io, fmt::format("{} is not in {}. {}.", p.title, place.string(), howToGet(p, place)), {}};
}

} // namespace

Result<Done> CifarRows::append(std::span<const std::byte> file, CifarKind kind, std::string_view name)
{
    const std::size_t labelBytes = kind == CifarKind::Cifar10 ? 1 : 2, row = labelBytes + kPixels;
    const auto refuse = [&](std::string why) {
        return Error{ErrorCode::Format, fmt::format("{} is not a {} file: {}.", name, publicationOf(kind).title, why), {}};
    };
    if (file.empty() || file.size() % row != 0)
        return refuse(fmt::format("its {} bytes are not a whole number of rows of {} bytes", file.size(), row));
    const std::size_t count = file.size() / row, classes = cifarClassNames(kind).size();
    for (std::size_t i = 0; i < count; ++i) {
        const auto fine = std::to_integer<unsigned>(file[i * row + labelBytes - 1]);
        const auto coarse = std::to_integer<unsigned>(file[i * row]);
        if (fine >= classes)
            return refuse(fmt::format("image {} has the label {}, and labels end at {}", i, fine, classes - 1));
        if (kind == CifarKind::Cifar100 && coarse >= 20)
            return refuse(fmt::format("image {} has the coarse label {}, and coarse labels end at 19", i, coarse));
    }
    const std::size_t before = labels.size();
    labels.resize(before + count);
    planes.resize((before + count) * kPixels);
    for (std::size_t i = 0; i < count; ++i) {
        labels[before + i] = std::to_integer<std::uint8_t>(file[i * row + labelBytes - 1]);
        std::memcpy(planes.data() + (before + i) * kPixels, file.data() + i * row + labelBytes, kPixels);
    }
    return Done{};
}

Result<std::shared_ptr<const Dataset>> openCifar(const fs::path& place, const CifarOptions& options, const Log& log)
{
    if (options.side < 1 || options.side > 1024)
        return Error{ErrorCode::Usage, fmt::format("data.side is {}; images can be 1 to 1024 pixels wide.", options.side), {}};
    auto rows = readPlace(place, options, log);
    if (!rows)
        return rows.error();
    return std::shared_ptr<const Dataset>(std::make_shared<Cifar>(std::move(*rows), options));
}

} // namespace espalier::data
