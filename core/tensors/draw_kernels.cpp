// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/draw_kernels.h"

#include "core/base/clones.h"
#include "core/base/normal.h"

#include <algorithm>

// All of it is integers, exact scaling by powers of two, and double arithmetic without fused multiply-add: the clones agree.

namespace espalier::tensors::kernels {
namespace {

constexpr int kLanes = 64; // blocks made together: enough for the compiler to fill its registers

struct Lanes {
    std::uint32_t word[4][kLanes];
};

// Words of the blocks [block, block + kLanes). Always inlined, so that every clone of its callers has its own vector code.
__attribute__((always_inline)) inline void drawLanes(const Address& a, std::uint32_t block, Lanes& lanes)
{
    for (int i = 0; i < kLanes; ++i) {
        const PhiloxBlock b = drawBlock(a.seed, a.stream, a.step, a.slot, block + static_cast<std::uint32_t>(i), a.site);
        lanes.word[0][i] = b.word[0];
        lanes.word[1][i] = b.word[1];
        lanes.word[2][i] = b.word[2];
        lanes.word[3][i] = b.word[3];
    }
}

} // namespace

ESPALIER_CLONES void normal(const Address& address, std::int64_t first, std::int64_t last, float* out)
{
    for (std::int64_t at = first; at < last; at += kNormalsPerBlock) {
        const NormalPair pair = normalPair(drawBlock(address.seed, address.stream, address.step, address.slot,
                                                     static_cast<std::uint32_t>(at / kNormalsPerBlock), address.site));
        out[at - first] = pair.first;
        if (at + 1 < last)
            out[at + 1 - first] = pair.second;
    }
}

ESPALIER_CLONES void uniform(const Address& address, std::int64_t first, std::int64_t last, float* out)
{
    Lanes lanes;
    float values[kWordsPerBlock * kLanes];
    for (std::int64_t at = first; at < last; at += kWordsPerBlock * kLanes) {
        drawLanes(address, static_cast<std::uint32_t>(at / kWordsPerBlock), lanes);
        for (int i = 0; i < kLanes; ++i)
            for (int k = 0; k < kWordsPerBlock; ++k)
                values[kWordsPerBlock * i + k] = static_cast<float>(static_cast<std::int32_t>(lanes.word[k][i] >> 8)) * 0x1p-24f;
        std::copy_n(values, std::min<std::int64_t>(kWordsPerBlock * kLanes, last - at), out + (at - first));
    }
}

ESPALIER_CLONES void keep(const Address& address, std::uint32_t threshold, float scale, std::int64_t first, std::int64_t last, float* out)
{
    Lanes lanes;
    float values[kWordsPerBlock * kLanes];
    for (std::int64_t at = first; at < last; at += kWordsPerBlock * kLanes) {
        drawLanes(address, static_cast<std::uint32_t>(at / kWordsPerBlock), lanes);
        for (int i = 0; i < kLanes; ++i)
            for (int k = 0; k < kWordsPerBlock; ++k)
                values[kWordsPerBlock * i + k] = lanes.word[k][i] < threshold ? 0.0f : scale;
        std::copy_n(values, std::min<std::int64_t>(kWordsPerBlock * kLanes, last - at), out + (at - first));
    }
}

} // namespace espalier::tensors::kernels
