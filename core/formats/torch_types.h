// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/safetensors.h"

#include <string_view>

namespace espalier::formats {

/// A type under the names PyTorch gives it; `storage` is "" where files hold untyped storages.
struct TorchType {
    DType dtype;
    std::string_view name, storage;
};

inline constexpr TorchType kTorchTypes[] = {
    {DType::F32, "torch.float32", "torch.FloatStorage"},
    {DType::BF16, "torch.bfloat16", "torch.BFloat16Storage"},
    {DType::F16, "torch.float16", "torch.HalfStorage"},
    {DType::F64, "torch.float64", "torch.DoubleStorage"},
    {DType::I64, "torch.int64", "torch.LongStorage"},
    {DType::I32, "torch.int32", "torch.IntStorage"},
    {DType::I16, "torch.int16", "torch.ShortStorage"},
    {DType::I8, "torch.int8", "torch.CharStorage"},
    {DType::U8, "torch.uint8", "torch.ByteStorage"},
    {DType::Bool, "torch.bool", "torch.BoolStorage"},
    {DType::C64, "torch.complex64", "torch.ComplexFloatStorage"},
    {DType::U16, "torch.uint16", ""},
    {DType::U32, "torch.uint32", ""},
    {DType::U64, "torch.uint64", ""},
    {DType::F8E5M2, "torch.float8_e5m2", ""},
    {DType::F8E4M3, "torch.float8_e4m3fn", ""},
};

} // namespace espalier::formats
