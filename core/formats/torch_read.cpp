// SPDX-License-Identifier: Apache-2.0
#include "core/formats/in_quotes.h"
#include "core/formats/mapped_file.h"
#include "core/formats/torch_content.h"
#include "core/formats/torch_file.h"
#include "core/formats/zip_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace espalier::formats {
namespace {

constexpr std::uint64_t kLargestPickle = std::uint64_t{128} << 20;
constexpr std::string_view kKind = "a PyTorch file";
constexpr std::string_view kZipMagic = "PK\x03\x04";
/// The pickle of 0x1950a86a20f9469cfc6c, which every file before version 1.6 begins with.
constexpr std::string_view kLegacyMagic{"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15};

Error refusal(const std::filesystem::path& file, std::string_view why)
{
    return {ErrorCode::Format, fmt::format("{} cannot be read as {}: {}.", file.string(), kKind, why)};
}

bool begins(std::span<const std::byte> start, std::string_view magic, std::size_t at = 0)
{
    return start.size() >= at + magic.size() && std::memcmp(start.data() + at, magic.data(), magic.size()) == 0;
}

/// What a file is that is neither of the two layouts.
std::string whatItIs(std::span<const std::byte> start)
{
    if (start.empty())
        return "it is empty";
    if (begins(start, "version https://git-lfs"))
        return "it is a git-lfs pointer, not the file itself; fetch it with git lfs pull";
    if (begins(start, "\x1f\x8b"))
        return "it is packed with gzip; unpack it first";
    if (begins(start, "ustar", 257))
        return "it is a tar archive, as PyTorch wrote before version 0.2; save it anew with a PyTorch of this decade";
    if (begins(start, "{", 8))
        return "it looks like a safetensors file with another extension";
    const auto first = std::find_if(start.begin(), start.end(), [](std::byte b) { return b > std::byte{' '}; });
    if (first != start.end() && *first == std::byte{'<'})
        return "it is a web page, so the download failed; get the file anew";
    if (start[0] == std::byte{0x80})
        return "it is a Python pickle that torch.save did not write";
    return "it is neither a zip archive nor a file of PyTorch before version 1.6";
}

bool isRowMajor(const TorchTensor& tensor)
{
    std::int64_t step = 1;
    for (std::size_t i = tensor.shape.size(); i-- > 0;) {
        if (tensor.shape[i] != 1 && tensor.strides[i] != step)
            return false;
        step *= tensor.shape[i];
    }
    return true;
}

/// Copies the elements of a view that is not empty, last side fastest.
void gather(const TorchTensor& tensor, std::size_t itemBytes, std::span<const std::byte> storage, std::span<std::byte> into)
{
    std::vector<std::int64_t> at(tensor.shape.size());
    auto element = static_cast<std::size_t>(tensor.offset);
    for (std::size_t done = 0; done < into.size(); done += itemBytes) {
        std::memcpy(into.data() + done, storage.data() + element * itemBytes, itemBytes);
        for (std::size_t i = at.size(); i-- > 0;) {
            element += static_cast<std::size_t>(tensor.strides[i]);
            if (++at[i] < tensor.shape[i])
                break;
            element -= static_cast<std::size_t>(at[i]) * static_cast<std::size_t>(tensor.strides[i]);
            at[i] = 0;
        }
    }
}

} // namespace

bool looksLikeTorch(std::span<const std::byte> start)
{
    return begins(start, kZipMagic) || begins(start, kLegacyMagic);
}

struct TorchReader::State {
    std::filesystem::path file;
    std::optional<ZipInput> zip; // else `mapped`
    std::optional<MappedFile> mapped;
    TorchContent content;
    std::vector<ZipEntry> records;      // of a zip: of each storage
    std::vector<std::uint64_t> offsets; // of a legacy file: of each storage
    std::vector<std::byte> lastBytes;   // the storage that views were last taken from
    std::size_t last = SIZE_MAX;

    Result<Done> openZip();
    Result<Done> openLegacy();
    Result<Done> readStorage(std::size_t storage, std::uint64_t from, std::span<std::byte> into);
};

/// The record that holds the pickle gives the folder of all others away.
Result<Done> TorchReader::State::openZip()
{
    auto archive = ZipInput::open(file, {kKind, "record"});
    if (!archive)
        return archive.error();
    zip = std::move(*archive);
    static constexpr std::string_view kPickle = "/data.pkl";
    const ZipEntry* pickle = nullptr;
    for (const auto& entry : zip->entries()) {
        if (entry.name.find('/') + kPickle.size() != entry.name.size() || !entry.name.ends_with(kPickle))
            continue;
        if (pickle)
            return refusal(file, "it holds two pickles, and which one counts is not said");
        pickle = &entry;
    }
    if (!pickle)
        return refusal(file, "it is a zip archive without data.pkl");
    const std::string folder = pickle->name.substr(0, pickle->name.size() - kPickle.size() + 1);
    if (zip->find(folder + "constants.pkl"))
        return refusal(file, "it is a TorchScript module, which holds code; save its state_dict() from Python");
    if (const auto* order = zip->find(folder + "byteorder")) {
        std::vector<std::byte> text(std::min<std::size_t>(order->bytes, 16));
        if (text.size() == order->bytes)
            if (const auto read = zip->read(*order, text); !read)
                return read.error();
        if (std::string_view(reinterpret_cast<const char*>(text.data()), text.size()) != "little")
            return refusal(file, "it was written on a machine with another byte order; save it anew on a common one");
    }
    if (pickle->bytes > kLargestPickle)
        return refusal(file, fmt::format("its pickle has {} bytes, more than {}", pickle->bytes, kLargestPickle));
    std::vector<std::byte> bytes(pickle->bytes);
    if (const auto read = zip->read(*pickle, bytes); !read)
        return read.error();
    const auto values = Pickle::parse(bytes, file.string(), kKind);
    if (!values)
        return values.error();
    auto said = torchContentOf(*values, file.string());
    if (!said)
        return said.error();
    content = std::move(*said);
    for (const auto& storage : content.storages) {
        const auto* record = zip->find(fmt::format("{}data/{}", folder, storage.key));
        if (!record)
            return refusal(file, fmt::format("it has no record for storage {}", inQuotes(storage.key)));
        if (record->bytes != storage.bytes)
            return refusal(file, fmt::format("storage {} has {} bytes where its tensors promise {}", inQuotes(storage.key), record->bytes,
                                             storage.bytes));
        records.push_back(*record);
    }
    return Done{};
}

/// Five pickles – magic number, protocol, system, the object, storage keys in file order – and then each storage: its count of elements
/// in eight bytes, and its bytes.
Result<Done> TorchReader::State::openLegacy()
{
    const auto all = mapped->bytes();
    std::uint64_t at = 0;
    const auto next = [&] {
        auto pickle = Pickle::parse(all.subspan(at, std::min<std::uint64_t>(all.size() - at, kLargestPickle)), file.string(), kKind);
        if (pickle)
            at += pickle->size();
        return pickle;
    };
    const auto magic = next();
    if (!magic)
        return magic.error();
    const auto protocol = next();
    if (!protocol)
        return protocol.error();
    if (protocol->root().kind != PickleKind::Integer || protocol->root().integer != 1001)
        return refusal(file, "it has an unknown protocol version");
    const auto system = next();
    if (!system)
        return system.error();
    if (const auto* little = system->find(system->root(), "little_endian"); !little || little->kind != PickleKind::Bool || !little->integer)
        return refusal(file, "it was written on a machine with another byte order; save it anew on a common one");
    {
        const auto values = next();
        if (!values)
            return values.error();
        auto said = torchContentOf(*values, file.string());
        if (!said)
            return said.error();
        content = std::move(*said);
    }
    const auto keys = next();
    if (!keys)
        return keys.error();
    if (keys->root().kind != PickleKind::List)
        return refusal(file, "it does not list its storages");
    offsets.assign(content.storages.size(), 0);
    for (const PickleRef ref : keys->root().items) {
        const auto& key = (*keys)[ref];
        const auto found = std::find_if(content.storages.begin(), content.storages.end(), [&](const auto& s) {
            return (key.kind == PickleKind::Text || key.kind == PickleKind::Bytes) && s.key == key.text;
        });
        if (found == content.storages.end())
            return refusal(file, "it lists a storage that no tensor has");
        auto& offset = offsets[static_cast<std::size_t>(found - content.storages.begin())];
        if (offset)
            return refusal(file, fmt::format("it lists storage {} twice", inQuotes(found->key)));
        const std::uint64_t itemBytes = found->dtype ? static_cast<std::uint64_t>(bitsOf(*found->dtype) / 8) : 1;
        if (all.size() - at < 8 || all.size() - at - 8 < found->bytes)
            return refusal(file, fmt::format("it ends before storage {} does, so it was cut", inQuotes(found->key)));
        std::uint64_t count = 0;
        for (std::size_t i = 8; i-- > 0;)
            count = count << 8 | std::to_integer<std::uint64_t>(all[at + i]);
        if (count != found->bytes / itemBytes)
            return refusal(file, fmt::format("storage {} has {} elements where its tensors promise {}", inQuotes(found->key), count,
                                             found->bytes / itemBytes));
        offset = at + 8;
        at += 8 + found->bytes;
    }
    for (std::size_t i = 0; i < offsets.size(); ++i)
        if (!offsets[i])
            return refusal(file, fmt::format("it does not hold storage {}", inQuotes(content.storages[i].key)));
    return Done{};
}

Result<Done> TorchReader::State::readStorage(std::size_t storage, std::uint64_t from, std::span<std::byte> into)
{
    if (zip)
        return zip->read(records[storage], into);
    return mapped->copy(offsets[storage] + from, into);
}

TorchReader::TorchReader(std::unique_ptr<State> state) : m_state(std::move(state)) {}
TorchReader::TorchReader(TorchReader&&) noexcept = default;
TorchReader& TorchReader::operator=(TorchReader&&) noexcept = default;
TorchReader::~TorchReader() = default;

Result<TorchReader> TorchReader::open(const std::filesystem::path& file)
{
    auto mapped = MappedFile::open(file);
    if (!mapped)
        return mapped.error();
    auto state = std::make_unique<State>();
    state->file = file;
    const auto start = mapped->bytes();
    if (!looksLikeTorch(start))
        return refusal(file, whatItIs(start));
    const bool zipped = begins(start, kZipMagic);
    if (!zipped)
        state->mapped = std::move(*mapped);
    if (const auto opened = zipped ? state->openZip() : state->openLegacy(); !opened)
        return opened.error();
    return TorchReader(std::move(state));
}

const std::filesystem::path& TorchReader::path() const
{
    return m_state->file;
}

const std::vector<TorchTensor>& TorchReader::tensors() const
{
    return m_state->content.tensors;
}

const TorchTensor* TorchReader::find(std::string_view name) const
{
    const auto& all = tensors();
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& tensor) { return tensor.name == name; });
    return found == all.end() ? nullptr : &*found;
}

const Json& TorchReader::rest() const
{
    return m_state->content.rest;
}

Result<Done> TorchReader::copy(const TorchTensor& tensor, std::span<std::byte> into) const
{
    State& s = *m_state;
    if (into.size() != tensor.bytes)
        return Error{ErrorCode::Internal, fmt::format("Tensor {} of {} has {} bytes, not {}.", inQuotes(tensor.name), s.file.string(),
                                                      tensor.bytes, into.size())};
    if (into.empty())
        return Done{};
    const auto itemBytes = static_cast<std::size_t>(bitsOf(tensor.dtype) / 8);
    const std::uint64_t storageBytes = s.content.storages[tensor.storage].bytes;
    if (isRowMajor(tensor) && (!s.zip || storageBytes == tensor.bytes)) {
        const auto from = static_cast<std::uint64_t>(tensor.offset) * itemBytes;
        if (const auto read = s.readStorage(tensor.storage, from, into); !read)
            return read.error();
    } else {
        if (s.last != tensor.storage) {
            s.last = SIZE_MAX;
            s.lastBytes = std::vector<std::byte>(storageBytes);
            if (const auto read = s.readStorage(tensor.storage, 0, s.lastBytes); !read)
                return read.error();
            s.last = tensor.storage;
        }
        gather(tensor, itemBytes, s.lastBytes, into);
    }
    if (tensor.dtype == DType::Bool && std::any_of(into.begin(), into.end(), [](std::byte b) { return b > std::byte{1}; }))
        return refusal(s.file, fmt::format("bool tensor {} holds a byte that is neither 0 nor 1", inQuotes(tensor.name)));
    return Done{};
}

} // namespace espalier::formats
