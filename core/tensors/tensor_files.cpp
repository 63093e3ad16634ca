// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/tensor_files.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <memory>

namespace espalier::tensors {
namespace {

using formats::DType;

constexpr std::pair<DType, at::ScalarType> kTypes[] = {
    {DType::F32, at::kFloat},
    {DType::BF16, at::kBFloat16},
    {DType::F16, at::kHalf},
    {DType::F64, at::kDouble},
    {DType::I64, at::kLong},
    {DType::I32, at::kInt},
    {DType::I16, at::kShort},
    {DType::I8, at::kChar},
    {DType::U8, at::kByte},
    {DType::Bool, at::kBool},
    {DType::U16, at::kUInt16},
    {DType::U32, at::kUInt32},
    {DType::U64, at::kUInt64},
    {DType::F8E5M2, at::kFloat8_e5m2},
    {DType::F8E4M3, at::kFloat8_e4m3fn},
    {DType::C64, at::kComplexFloat},
};

} // namespace

std::optional<at::ScalarType> scalarTypeOf(DType type)
{
    for (const auto& [known, scalar] : kTypes)
        if (known == type)
            return scalar;
    return std::nullopt;
}

Result<at::Tensor> readTensor(const formats::WeightsFile& file, const formats::WeightsEntry& entry)
{
    const auto type = scalarTypeOf(entry.dtype);
    if (!type)
        return Error{ErrorCode::Format,
                     fmt::format("{} holds {} as {}, a type that cannot be computed with; convert the file to F32 or BF16.",
                                 file.path().string(), entry.name, formats::nameOf(entry.dtype)),
                     {}};
    at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(*type));
    if (entry.bytes > 0)
        if (auto copied = file.copy(entry, {static_cast<std::byte*>(tensor.mutable_data_ptr()), entry.bytes}); !copied)
            return copied.error();
    return tensor;
}

Result<Done> readTensorInto(const formats::WeightsFile& file, const formats::WeightsEntry& entry, at::Tensor to)
{
    const at::NoGradGuard noGrad;
    to = to.detach();
    if (to.is_cpu() && to.is_contiguous() && scalarTypeOf(entry.dtype) == to.scalar_type())
        return entry.bytes == 0 ? Result<Done>(Done{})
                                : file.copy(entry, {static_cast<std::byte*>(to.mutable_data_ptr()), static_cast<std::size_t>(entry.bytes)});
    const auto staged = readTensor(file, entry);
    if (!staged)
        return staged.error();
    to.copy_(*staged);
    return Done{};
}

Result<TensorMap> readTensors(const std::filesystem::path& file, const std::string& which)
{
    const auto reader = formats::WeightsFile::open(file, which);
    if (!reader)
        return reader.error();
    TensorMap tensors;
    for (const auto& entry : reader->entries()) {
        auto tensor = readTensor(*reader, entry);
        if (!tensor)
            return tensor.error();
        tensors.emplace(entry.name, *std::move(tensor));
    }
    return tensors;
}

Result<formats::WrittenFile> writeTensors(const std::filesystem::path& file, const NamedTensors& tensors,
                                          const std::map<std::string, std::string>& metadata, Sync sync)
{
    std::vector<formats::SafetensorsItem> items;
    // What the item being written looks like on the host, row-major; freed when the next one's turn comes.
    const auto staged = std::make_shared<at::Tensor>();
    for (const auto& [name, tensor] : tensors) {
        const DType* type = nullptr;
        for (const auto& [known, scalar] : kTypes)
            if (scalar == tensor.scalar_type())
                type = &known;
        TORCH_CHECK(type, "A bug: ", name, " has a type that safetensors files do not know.");
        items.push_back({name, *type, tensor.sizes().vec(), [staged, tensor = tensor]() -> Result<std::span<const std::byte>> {
                             *staged = tensor.detach().cpu().contiguous();
                             return std::span(static_cast<const std::byte*>(staged->const_data_ptr()), staged->nbytes());
                         }});
    }
    return formats::writeSafetensors(file, std::move(items), metadata, sync);
}

} // namespace espalier::tensors
