// SPDX-License-Identifier: Apache-2.0
#include "core/formats/safetensors.h"

#include <array>
#include <utility>

namespace espalier::formats {
namespace {

struct TypeRow {
    std::string_view name;
    int bits;
};
constexpr std::array<TypeRow, 22> kTypes{
    {{"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8},
     {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16}, {"F16", 16}, {"BF16", 16},   {"I32", 32},
     {"U32", 32},    {"F32", 32},        {"C64", 64},        {"F64", 64},    {"I64", 64}, {"U64", 64}}};

} // namespace

int bitsOf(DType dtype)
{
    return kTypes[static_cast<std::size_t>(dtype)].bits;
}

std::string_view nameOf(DType dtype)
{
    return kTypes[static_cast<std::size_t>(dtype)].name;
}

std::optional<DType> dtypeOf(std::string_view name)
{
    for (std::size_t i = 0; i < kTypes.size(); ++i)
        if (kTypes[i].name == name)
            return static_cast<DType>(i);
    return {};
}

std::optional<std::uint64_t> byteCount(DType dtype, std::span<const std::int64_t> shape)
{
    std::uint64_t bits = static_cast<std::uint64_t>(bitsOf(dtype));
    for (const std::int64_t side : shape)
        if (side < 0 || __builtin_mul_overflow(bits, static_cast<std::uint64_t>(side), &bits))
            return {};
    if (bits % 8 != 0)
        return {};
    return bits / 8;
}

const SafetensorsEntry* SafetensorsHeader::find(std::string_view name) const
{
    for (const auto& entry : entries)
        if (entry.name == name)
            return &entry;
    return nullptr;
}

SafetensorsItem safetensorsItem(std::string name, DType dtype, std::vector<std::int64_t> shape, std::span<const std::byte> bytes)
{
    return {std::move(name), dtype, std::move(shape), [bytes]() -> Result<std::span<const std::byte>> { return bytes; }};
}

} // namespace espalier::formats
