// SPDX-License-Identifier: Apache-2.0
#include "core/models/autoencoder_blocks.h"
#include "core/models/autoencoder_kl.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::models {
namespace {

using namespace espalier::tests;

// vae.md section 8.4: padding on both sides would give [[22, 42], [123, 198]].
TEST(Autoencoder, HalvesWithTheOddZeroToTheRightAndBelow)
{
    const at::NoGradGuard guard;
    AutoencoderLevel level(1, 1, 0, 1, Resampling::Down, {});
    for (auto& item : level.named_parameters())
        item.value().fill_(item.key().ends_with("weight") ? 1.0 : 0.0);
    const auto image = (at::arange(4).view({4, 1}) * 10 + at::arange(4)).to(at::kFloat).view({1, 1, 4, 4});
    EXPECT_TRUE(at::equal(level.forward(image), at::tensor({99.f, 75.f, 156.f, 110.f}).view({1, 1, 2, 2})));
}

TEST(Autoencoder, ClampsTheVarianceOfItsPosterior)
{
    const auto posterior = Posterior::of(at::tensor({1.f, 2.f, -100.f, 50.f}).view({1, 4, 1, 1}));
    expectClose(posterior.deviation().flatten(), at::tensor({3.0590232e-07, 22026.4658}, at::kDouble), 0, 1e-6, "deviation");
    EXPECT_TRUE(at::equal(posterior.sample(at::zeros_like(posterior.mean)), posterior.mean));
}

class TiledDecode : public testing::Test {
protected:
    TiledDecode()
    {
        AutoencoderOptions options;
        options.channels = {8, 16};
        options.blocks = 1;
        options.groups = 4;
        m_autoencoder = std::make_shared<AutoencoderKL>(options, Place{});
        fillParameters(*m_autoencoder);
    }
    at::Tensor piece(std::int64_t y, std::int64_t x, std::int64_t height, std::int64_t width) const
    {
        return m_autoencoder->decode(m_latents.narrow(2, y, height).narrow(3, x, width));
    }

    const at::NoGradGuard m_guard;
    std::shared_ptr<AutoencoderKL> m_autoencoder;
    at::Tensor m_latents = inputTensor("input:tiles", {2, 4, 10, 13});
};

TEST_F(TiledDecode, IsTheWholeDecodeWhereOnePieceHoldsAll)
{
    EXPECT_TRUE(at::equal(m_autoencoder->decodeTiled(m_latents, {.side = 13}), m_autoencoder->decode(m_latents)));
}

TEST_F(TiledDecode, FadesFromEachPieceIntoTheNext)
{
    // Pieces of 8 every 6 positions: rows 0 and 6, columns 0, 6 and 12; two positions, or four pixels, are shared.
    const auto tiled = m_autoencoder->decodeTiled(m_latents, {.side = 8});
    ASSERT_EQ(tiled.sizes(), (std::vector<std::int64_t>{2, 3, 20, 26}));
    const auto first = piece(0, 0, 8, 8), right = piece(0, 6, 8, 7), below = piece(6, 0, 4, 8);
    const auto part = [](const at::Tensor& image, std::int64_t y, std::int64_t x, std::int64_t height, std::int64_t width) {
        return image.narrow(2, y, height).narrow(3, x, width);
    };
    expectClose(part(tiled, 0, 0, 12, 12), part(first, 0, 0, 12, 12), 1e-6, 0, "the first piece alone");
    expectClose(part(tiled, 0, 16, 12, 8), part(right, 0, 4, 12, 8), 1e-6, 0, "behind the seam");
    for (std::int64_t i = 0; i < 4; ++i) {
        const double share = static_cast<double>(i) / 4;
        expectClose(part(tiled, 0, 12 + i, 12, 1), part(first, 0, 12 + i, 12, 1) * (1 - share) + part(right, 0, i, 12, 1) * share, 1e-6, 0,
                    "across");
        expectClose(part(tiled, 12 + i, 0, 1, 12), part(first, 12 + i, 0, 1, 12) * (1 - share) + part(below, i, 0, 1, 12) * share, 1e-6, 0,
                    "down");
    }
}

} // namespace
} // namespace espalier::models
