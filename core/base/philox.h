// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plain C++17: the CUDA kernels include this file too, so that both devices make the same bits.

#include <cstdint>

#ifdef __CUDACC__
#define ESPALIER_HOST_DEVICE __host__ __device__
#else
#define ESPALIER_HOST_DEVICE
#endif

namespace espalier {

/// What a random draw is for. The numbers are part of the meaning of a seed: never renumber, only append.
enum class Stream : std::uint32_t {
    Initial = 1,      // initial values of parameters
    Order = 2,        // order of the images of an epoch
    Augment = 3,      // flips, crops
    Timestep = 4,     // t of the diffusion loss
    Noise = 5,        // epsilon of the diffusion loss
    Dropout = 6,      // masks inside the model
    DropPath = 7,     // stochastic depth
    LabelDrop = 8,    // classifier-free guidance training
    SampleStart = 9,  // x_T of a sample
    SampleNoise = 10, // noise of the reverse process
    SampleLabel = 11, // class of a sample
    Garden = 12,      // pictures of the built-in set
    Features = 13,    // weights of the random feature networks
    Ceiling = 14,     // uniform noise pictures of the ceiling of FD
    Search = 15,      // candidates of a supernet
    Subset = 16,      // which images a statistic is made from
    Crop = 17,        // random crops of training images
    RandAugment = 18, // operations on training images
    Erase = 19,       // rectangles of noise in training images
    Mix = 20,         // mixup and cutmix
    Posterior = 21,   // latents of training images
};

struct PhiloxBlock {
    std::uint32_t word[4];
};

/// Philox4x32-10 (Salmon et al. 2011): 128 bits that are a pure function of counter and key.
ESPALIER_HOST_DEVICE inline PhiloxBlock philox(PhiloxBlock counter, std::uint64_t key)
{
    std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p0 = 0xD2511F53ull * counter.word[0];
        const std::uint64_t p1 = 0xCD9E8D57ull * counter.word[2];
        counter = {{static_cast<std::uint32_t>(p1 >> 32) ^ counter.word[1] ^ k0, static_cast<std::uint32_t>(p1),
                    static_cast<std::uint32_t>(p0 >> 32) ^ counter.word[3] ^ k1, static_cast<std::uint32_t>(p0)}};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return counter;
}

/// Address of one block of random words: the draw of idea 4. `slot` is the place in the global batch (or an image or parameter index),
/// `step` the optimizer step (or epoch), `block` counts blocks of four words inside the draw. `site` tells apart draws of one stream.
ESPALIER_HOST_DEVICE inline PhiloxBlock drawBlock(std::uint64_t seed, Stream stream, std::uint64_t step, std::uint64_t slot,
                                                  std::uint32_t block, std::uint32_t site = 0)
{
    // slot: 40 bits, step: 48 bits, stream: 8 bits are enough for anything that will ever be trained.
    const std::uint64_t mixedKey = seed ^ (static_cast<std::uint64_t>(site) * 0x9E3779B97F4A7C15ull);
    return philox({{block, static_cast<std::uint32_t>(slot), static_cast<std::uint32_t>(step),
                    (static_cast<std::uint32_t>(stream) << 24) | (static_cast<std::uint32_t>(slot >> 32) & 0xFFu) |
                        ((static_cast<std::uint32_t>(step >> 32) & 0xFFFFu) << 8)}},
                  mixedKey);
}

/// Uniform in [0, 1) with 53 bits from two words.
ESPALIER_HOST_DEVICE inline double uniformOf(std::uint32_t high, std::uint32_t low)
{
    const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32) | low;
    return static_cast<double>(bits >> 11) * (1.0 / 9007199254740992.0);
}

/// Integer uniform in [0, bound) by multiply-shift; the bias is below bound / 2^64.
ESPALIER_HOST_DEVICE inline std::uint64_t integerBelow(std::uint32_t high, std::uint32_t low, std::uint64_t bound)
{
    const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32) | low;
#ifdef __CUDA_ARCH__
    return __umul64hi(bits, bound);
#else
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(bits) * bound) >> 64);
#endif
}

} // namespace espalier
