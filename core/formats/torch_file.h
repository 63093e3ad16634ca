// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/formats/atomic_output.h"
#include "core/formats/safetensors.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace espalier::formats {

// ── Reading ──

/// A tensor of a PyTorch file: a view of one storage, counted in elements.
struct TorchTensor {
    std::string name; // keys and list places on the way to it, joined by dots: "ema.blocks.0.attn.qkv.weight"
    DType dtype = DType::F32;
    std::vector<std::int64_t> shape, strides;
    std::int64_t offset = 0;
    std::size_t storage = 0; // tensors of equal numbers share memory
    std::uint64_t bytes = 0; // once it is row-major
};

/// A file that torch.save wrote, as a zip or as before version 1.6. Opening takes the pickle apart without running anything, looks at no
/// tensor data, and refuses what does not fit together: records, sizes, types, strides beyond a storage. Nothing is allocated that the
/// file could not hold.
class TorchReader {
public:
    static Result<TorchReader> open(const std::filesystem::path& file);

    TorchReader(TorchReader&&) noexcept;
    TorchReader& operator=(TorchReader&&) noexcept;
    ~TorchReader();

    const std::filesystem::path& path() const;
    const std::vector<TorchTensor>& tensors() const; // in file order
    /// nullptr when there is no such tensor.
    const TorchTensor* find(std::string_view name) const;
    /// Everything but the tensors: dictionaries and argparse.Namespace as objects (a key that is no text as its text), lists, tuples and
    /// sets as arrays, numpy as {"numpy": type, "shape": …, "data": …} or a number, bytes as {"bytes": hexadecimal}, integers beyond 64
    /// bits and numbers that are not finite as text. A dictionary of tensors alone is left out.
    const Json& rest() const;

    /// Copies a tensor's bytes (little endian, row-major whatever its strides) into `into`, which must have exactly `tensor.bytes`.
    /// Checks the checksum of the record it reads. One thread at a time.
    Result<Done> copy(const TorchTensor& tensor, std::span<std::byte> into) const;

private:
    struct State;
    explicit TorchReader(std::unique_ptr<State> state);
    std::unique_ptr<State> m_state;
};

/// How the start of a file looks that TorchReader may read; says nothing about its soundness.
bool looksLikeTorch(std::span<const std::byte> start);

// ── Writing ──

/// A tensor that is written elsewhere in the file under this name of its item, once more: both share memory.
struct TorchTwin {
    std::string name;
};
struct TorchList;
/// An entry of a dictionary to write: a plain value, a tensor (its own name is used by twins alone), a dictionary (an OrderedDict) or a
/// list of dictionaries.
struct TorchNode {
    std::string key;
    std::variant<Json, SafetensorsItem, TorchTwin, std::vector<TorchNode>, std::shared_ptr<TorchList>> value;
};
struct TorchList {
    std::vector<std::vector<TorchNode>> items;
};

/// Writes atomically what torch.load(weights_only=True) reads: a zip with one dictionary. Equal content gives equal bytes.
Result<WrittenFile> writeTorch(const std::filesystem::path& file, const std::vector<TorchNode>& root, Sync sync = Sync::Yes);
/// A state dict: names as keys.
std::vector<TorchNode> torchStateDict(std::vector<SafetensorsItem> items);

} // namespace espalier::formats
