// SPDX-License-Identifier: Apache-2.0
// Every reader gets sound and hostile files with some bytes changed, removed or repeated. It may read or refuse them, with a sentence; the
// sanitizers say whether it did more. ESPALIER_CHANGED_FILES sets how many changed files are made of each (default 40).
#include "core/base/philox.h"
#include "core/formats/image_decode.h"
#include "core/formats/mat_file.h"
#include "core/formats/npz.h"
#include "core/formats/pickle.h"
#include "core/formats/pickle_numpy.h"
#include "core/formats/png.h"
#include "core/formats/safetensors.h"
#include "core/formats/tar_gz.h"
#include "core/formats/tensorboard.h"
#include "core/formats/torch_file.h"
#include "tests/core/formats/golden_json.h"
#include "tests/core/formats/made_files.h"

#include <algorithm>
#include <cstdlib>
#include <functional>

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

constexpr std::uint64_t kMostBytes = 1 << 24; // what a reader may be asked to hold

/// Numbers for one changed file, the same in every run.
class Dice {
public:
    Dice(std::uint64_t file, std::uint64_t round) : m_file(file), m_round(round) {}
    std::size_t below(std::size_t bound)
    {
        const auto block = drawBlock(1, Stream::Subset, m_round, m_file, m_next++);
        return static_cast<std::size_t>(integerBelow(block.word[0], block.word[1], bound));
    }

private:
    std::uint64_t m_file, m_round;
    std::uint32_t m_next = 0;
};

std::string changed(std::string bytes, Dice& dice)
{
    static constexpr std::uint64_t kTelling[] = {0,      1,          0x7F,       0x80,       0xFF,       0x7FFF,
                                                 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1ull << 40, ~0ull};
    for (std::size_t changes = 1 + dice.below(5); changes-- > 0 && !bytes.empty();) {
        const std::size_t at = dice.below(bytes.size()), room = bytes.size() - at, length = 1 + dice.below(std::min<std::size_t>(room, 64));
        switch (dice.below(8)) {
        case 0:
            bytes[at] = static_cast<char>(dice.below(256));
            break;
        case 1:
        case 2:
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << dice.below(8)));
            break;
        case 3:
        case 4: { // a number, of either byte order
            const std::uint64_t number = kTelling[dice.below(std::size(kTelling))];
            const std::size_t width = std::min<std::size_t>(room, std::size_t{1} << dice.below(4));
            const bool big = dice.below(2) == 1;
            for (std::size_t i = 0; i < width; ++i)
                bytes[at + (big ? width - 1 - i : i)] = static_cast<char>(number >> (8 * i));
            break;
        }
        case 5:
            bytes.erase(at, length);
            break;
        case 6:
            bytes.insert(at, bytes.substr(dice.below(bytes.size()), length));
            break;
        default:
            if (dice.below(4) == 0)
                bytes.resize(at);
            else
                std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                 bytes.begin() + static_cast<std::ptrdiff_t>(at + std::min(length, room / 2)),
                                 bytes.end() - static_cast<std::ptrdiff_t>(room / 2));
        }
    }
    return bytes;
}

int rounds()
{
    const char* given = std::getenv("ESPALIER_CHANGED_FILES");
    return given && *given ? std::atoi(given) : 40;
}

void putBigEndian(std::string& bytes, std::size_t at, std::uint32_t value)
{
    for (std::size_t i = 0; i < 4; ++i)
        bytes[at + i] = static_cast<char>(value >> (24 - 8 * i));
}

/// A PNG whose chunks have the checksums of what now stands in them, so that changes get past the first check.
std::string withPngChecksums(std::string png)
{
    for (std::size_t at = 8; at + 12 <= png.size();) {
        std::uint32_t length = 0;
        for (std::size_t i = 0; i < 4; ++i)
            length = length << 8 | static_cast<unsigned char>(png[at + i]);
        if (length > png.size() - at - 12)
            break;
        const auto* chunk = reinterpret_cast<const Bytef*>(png.data() + at + 4);
        putBigEndian(png, at + 8 + length, static_cast<std::uint32_t>(crc32(0, chunk, length + 4)));
        at += length + 12;
    }
    return png;
}

/// The same for stored members of a zip whose headers still tell where they are.
std::string withZipChecksums(std::string zip)
{
    const auto number = [&](std::size_t at, std::size_t width) {
        std::uint64_t value = 0;
        for (std::size_t i = width; i-- > 0;)
            value = value << 8 | static_cast<unsigned char>(zip[at + i]);
        return value;
    };
    for (std::size_t at = zip.find("PK\x01\x02"); at != std::string::npos; at = zip.find("PK\x01\x02", at + 1)) {
        if (zip.size() - at < 46)
            break;
        const std::uint64_t size = number(at + 20, 4), local = number(at + 42, 4);
        if (number(at + 10, 2) != 0 || local > zip.size() || zip.size() - local < 30)
            continue;
        const std::uint64_t data = local + 30 + number(local + 26, 2) + number(local + 28, 2);
        if (data > zip.size() || zip.size() - data < size)
            continue;
        const auto crc = crc32(0, reinterpret_cast<const Bytef*>(zip.data() + data), static_cast<uInt>(size));
        const bool described = number(local + 6, 2) & 8; // the checksum follows the data
        const std::size_t second = described ? data + size + 4 : local + 14;
        for (std::size_t i = 0; i < 4; ++i) {
            zip[at + 16 + i] = static_cast<char>(crc >> (8 * i));
            if (second + i < at)
                zip[second + i] = static_cast<char>(crc >> (8 * i));
        }
    }
    return zip;
}

/// The same for the headers of a tar, wherever a block looks like one.
std::string withTarChecksums(std::string tar)
{
    for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
        if (tar.compare(at + 257, 5, "ustar") != 0)
            continue;
        tar.replace(at + 148, 8, 8, ' ');
        unsigned sum = 0;
        for (std::size_t i = 0; i < 512; ++i)
            sum += static_cast<unsigned char>(tar[at + i]);
        tar.replace(at + 148, 8, octal(sum, 6) + ' ');
    }
    return tar;
}

/// What lies in formats/<folder>, with the endings asked for.
std::vector<std::string> goldenFiles(const char* folder, const std::vector<std::string>& endings)
{
    std::vector<std::filesystem::path> paths;
    std::error_code none;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(goldenFormats() / folder, none))
        if (entry.is_regular_file() &&
            (endings.empty() || std::find(endings.begin(), endings.end(), entry.path().extension()) != endings.end()))
            paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    std::vector<std::string> files;
    for (const auto& path : paths)
        if (auto bytes = readFile(path))
            files.push_back(std::move(*bytes));
    return files;
}

class ChangedBytes : public testing::Test {
protected:
    using Read = std::function<std::optional<Error>(const std::string& bytes, const std::filesystem::path& file)>;
    /// `repair`, when given, mends the checksums of every second file.
    void tryAll(const std::vector<std::string>& files, const std::string& name, const Read& read,
                std::string (*repair)(std::string) = nullptr)
    {
        ASSERT_FALSE(files.empty());
        const auto path = m_scratch / name;
        int refused = 0, made = 0;
        for (std::size_t file = 0; file < files.size(); ++file)
            for (int round = 0; round < rounds(); ++round) {
                Dice dice(file, static_cast<std::uint64_t>(round));
                auto bytes = changed(files[file], dice);
                if (repair && round % 2)
                    bytes = repair(std::move(bytes));
                ASSERT_TRUE(writeFileAtomically(path, bytes, Sync::No));
                ++made;
                if (const auto error = read(bytes, path)) {
                    ++refused;
                    SCOPED_TRACE(testing::Message() << "file " << file << ", round " << round);
                    expectSentence(*error, name);
                }
            }
        EXPECT_GT(refused, 0);
        RecordProperty("changed_files", made);
        RecordProperty("refused", refused);
    }
    ScratchFolder m_scratch;
};

} // namespace

TEST_F(ChangedBytes, ImagesAreReadOrRefused)
{
    const Image image = noise(9, 7);
    auto files = goldenFiles("image_folder", {});
    for (const auto& bytes : {*encodePng(image, {{"recipe", "short"}, {"grid", std::string(3000, 'x')}, {"umlaut", "ü"}}), webpOf(image)})
        files.push_back(bytes);
    for (const int compression : {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS})
        for (const bool tiled : {false, true})
            files.push_back(tiffOf(m_scratch / "seed.tif", image, {compression, tiled, tiled, tiled ? 16 : 8}));
    tryAll(
        files, "some.image",
        [](const std::string& bytes, const auto&) -> std::optional<Error> {
            (void)readPngTexts(bytesOf(bytes), "some.image");
            const auto image = decodeImage(bytesOf(bytes), "some.image", {.maxPixels = kMostBytes / 16});
            if (!image)
                return image.error();
            EXPECT_EQ(image->rgb.size(), static_cast<std::size_t>(image->width) * static_cast<std::size_t>(image->height) * 3);
            return {};
        },
        withPngChecksums);
}

TEST_F(ChangedBytes, ArraysAreReadOrRefused)
{
    tryAll(goldenFiles("npz", {".npy"}), "some.npy", [](const std::string&, const auto& file) -> std::optional<Error> {
        const auto array = readNpy(file, kMostBytes);
        if (!array)
            return array.error();
        (void)toDoubles(*array);
        (void)toIntegers(*array, "some.npy");
        return {};
    });
    tryAll(goldenFiles("npz", {".npz"}), "some.npz", [](const std::string&, const auto& file) -> std::optional<Error> {
        const auto reader = NpzReader::open(file);
        if (!reader)
            return reader.error();
        for (const auto& entry : reader->entries()) {
            if (const auto array = reader->read(entry.name, kMostBytes); !array)
                return array.error();
            auto images = reader->images(entry.name);
            if (!images || images->imageBytes() == 0 || images->imageBytes() > kMostBytes)
                continue;
            std::vector<std::uint8_t> pixels(images->imageBytes() * 2);
            for (;;) {
                const auto got = images->next(pixels);
                if (!got)
                    return got.error();
                if (*got == 0)
                    break;
            }
        }
        return {};
    });
}

TEST_F(ChangedBytes, TensorsAreReadOrRefused)
{
    tryAll(goldenFiles("safetensors", {}), "some.safetensors", [](const std::string&, const auto& file) -> std::optional<Error> {
        const auto reader = SafetensorsReader::open(file);
        if (!reader)
            return reader.error();
        for (const auto& entry : reader->entries()) {
            const auto view = reader->bytes(entry);
            if (!view)
                return view.error();
            std::vector<std::byte> copy(entry.bytes());
            if (const auto copied = reader->copy(entry, copy); !copied)
                return copied.error();
        }
        return {};
    });
}

TEST_F(ChangedBytes, TorchFilesAreReadOrRefused)
{
    const auto read = [](const std::string&, const auto& file) -> std::optional<Error> {
        const auto reader = TorchReader::open(file);
        if (!reader)
            return reader.error();
        for (const auto& tensor : reader->tensors()) {
            EXPECT_LE(tensor.bytes, kMostBytes) << tensor.name;
            std::vector<std::byte> copy(tensor.bytes);
            if (const auto copied = reader->copy(tensor, copy); !copied)
                return copied.error();
        }
        return {};
    };
    tryAll(goldenFiles("pt", {}), "some.pt", read, withZipChecksums);
    tryAll(goldenFiles("hostile_pt", {}), "some.pt", read, withZipChecksums);
}

TEST_F(ChangedBytes, PicklesAreReadOrRefused)
{
    auto files = goldenFiles("cifar", {""});
    for (const char* folder : {"pt", "hostile_pt"})
        for (const auto& archive : goldenFiles(folder, {}))
            if (const auto begin = archive.find("\x80\x02"), end = archive.find("PK\x01\x02"); end != std::string::npos && begin < end)
                files.push_back(archive.substr(begin, end - begin));
    tryAll(files, "some.pkl", [](const std::string& bytes, const auto&) -> std::optional<Error> {
        const auto pickle = Pickle::parse(bytesOf(bytes), "some.pkl", "a pickle");
        if (!pickle)
            return pickle.error();
        for (PickleRef ref = 0; ref <= pickle->rootRef(); ++ref)
            (void)numpyArrayOf(*pickle, (*pickle)[ref]);
        return {};
    });
}

TEST_F(ChangedBytes, MatlabFilesAreReadOrRefused)
{
    auto files = goldenFiles("mat", {});
    for (int more = 0; more < 4; ++more)
        files.push_back(files.back()); // the one that is not packed
    tryAll(files, "some.mat", [](const std::string& bytes, const auto&) -> std::optional<Error> {
        const auto mat = MatFile::parse(bytesOf(bytes), "some.mat");
        if (!mat)
            return mat.error();
        for (const auto& [name, value] : mat->variables)
            for (const auto& field : value.fields)
                (void)value.field(value.size() - 1, field);
        return {};
    });
}

TEST_F(ChangedBytes, EventsAreReadOrRefused)
{
    tryAll(goldenFiles("tensorboard", {}), "some.tfevents", [](const std::string& bytes, const auto& file) -> std::optional<Error> {
        TensorBoardReader reader(file);
        if (const auto values = reader.poll(); !values)
            return values.error();
        // Behind the checksums too.
        std::string version;
        for (std::size_t at = 0; at < bytes.size(); at += 1 + bytes.size() / 16)
            (void)parseTensorBoardEvent(bytesOf(bytes).subspan(at), version);
        return reader.damage();
    });
}

TEST_F(ChangedBytes, ArchivesAreReadOrRefused)
{
    const auto read = [](const std::string&, const auto& file) -> std::optional<Error> {
        auto reader = TarReader::open(file, {.totalBytes = kMostBytes, .members = 100});
        if (!reader)
            return reader.error();
        for (;;) {
            const auto next = reader->next();
            if (!next)
                return next.error();
            if (!*next)
                return {};
            if (const auto content = reader->readAll(kMostBytes); !content)
                return content.error();
        }
    };
    const std::string tar = tarMember("folder/", "", '5') + tarMember("folder/a", std::string(700, 'a')) +
                            tarMember("././@LongLink", std::string(300, 'n'), 'L') + tarMember("short", "1") +
                            tarMember("pax", "23 path=../../etc/cron\n", 'x') + tarMember("x", "2") + kTarEnd;
    const std::vector<std::string> packed{gzipped(tar), gzipped(tar) + gzipped(kTarEnd)};
    tryAll({tar, tar, tar, tar}, "some.tar", read, withTarChecksums);
    tryAll(packed, "some.tar.gz", read);
}
