// SPDX-License-Identifier: Apache-2.0
#pragma once

// Elements of tensors as golden files write them.

#include "core/formats/safetensors.h"
#include "tests/core/formats/golden_json.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

namespace espalier::tests {

/// The value of a float with these fields, widened to double.
inline double floatOf(std::uint64_t bits, int exponentBits, int mantissaBits, bool ieee)
{
    const std::uint64_t mantissa = bits & ((1ull << mantissaBits) - 1);
    const int exponent = static_cast<int>(bits >> mantissaBits & ((1ull << exponentBits) - 1));
    const double sign = bits >> (exponentBits + mantissaBits) & 1 ? -1.0 : 1.0;
    const int bias = (1 << (exponentBits - 1)) - 1, top = (1 << exponentBits) - 1;
    if (ieee && exponent == top)
        return mantissa ? NAN : sign * INFINITY;
    if (!ieee && exponent == top && mantissa == (1ull << mantissaBits) - 1)
        return NAN;
    const double m = std::ldexp(static_cast<double>(mantissa), -mantissaBits);
    return sign * (exponent ? std::ldexp(1.0 + m, exponent - bias) : std::ldexp(m, 1 - bias));
}

/// How the elements of a type become numbers; complex ones are pairs.
struct Decoder {
    const char* torchName;
    formats::DType dtype;
    std::size_t bytes;
    std::function<Json(std::uint64_t)> value;
};

inline const std::vector<Decoder>& decoders()
{
    static const auto number = [](int exponentBits, int mantissaBits, bool ieee = true) {
        return [=](std::uint64_t bits) { return Json(floatOf(bits, exponentBits, mantissaBits, ieee)); };
    };
    static const auto whole = [](int bits) {
        return [=](std::uint64_t v) { return Json(static_cast<std::int64_t>(v << (64 - bits)) >> (64 - bits)); };
    };
    static const auto natural = [](std::uint64_t v) { return Json(v); };
    using formats::DType;
    static const std::vector<Decoder> all{{"bool", DType::Bool, 1, [](std::uint64_t v) { return Json(v == 1); }},
                                          {"uint8", DType::U8, 1, natural},
                                          {"int8", DType::I8, 1, whole(8)},
                                          {"float8_e5m2", DType::F8E5M2, 1, number(5, 2)},
                                          {"float8_e4m3fn", DType::F8E4M3, 1, number(4, 3, false)},
                                          {"int16", DType::I16, 2, whole(16)},
                                          {"uint16", DType::U16, 2, natural},
                                          {"float16", DType::F16, 2, number(5, 10)},
                                          {"bfloat16", DType::BF16, 2, number(8, 7)},
                                          {"int32", DType::I32, 4, whole(32)},
                                          {"uint32", DType::U32, 4, natural},
                                          {"float32", DType::F32, 4, number(8, 23)},
                                          {"complex64", DType::C64, 4, number(8, 23)},
                                          {"float64", DType::F64, 8, [](std::uint64_t v) { return Json(std::bit_cast<double>(v)); }},
                                          {"int64", DType::I64, 8, whole(64)},
                                          {"uint64", DType::U64, 8, natural}};
    return all;
}

inline void expectValue(const Json& got, const Json& want)
{
    if (want.is_string()) { // "nan", "inf", "-inf"
        const double v = got.get<double>();
        EXPECT_EQ(std::isnan(v) ? "nan" : v > 0 ? "inf" : "-inf", want.get<std::string>());
    } else if (want.is_number_float()) {
        EXPECT_EQ(got.get<double>(), want.get<double>());
        EXPECT_EQ(std::signbit(got.get<double>()), std::signbit(want.get<double>()));
    } else {
        EXPECT_EQ(got, want);
    }
}

inline const Decoder* decoderOf(const std::string& torchName)
{
    const auto found = std::find_if(decoders().begin(), decoders().end(), [&](const auto& d) { return d.torchName == torchName; });
    return found == decoders().end() ? nullptr : &*found;
}

inline void expectValues(const Decoder& decoder, std::span<const std::byte> bytes, const Json& data)
{
    ASSERT_EQ(bytes.size(), data.size() * decoder.bytes);
    for (std::size_t i = 0; i < data.size(); ++i) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, bytes.data() + i * decoder.bytes, decoder.bytes);
        expectValue(decoder.value(bits), data[i]);
    }
}

} // namespace espalier::tests
