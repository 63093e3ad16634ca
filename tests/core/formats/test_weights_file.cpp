// SPDX-License-Identifier: Apache-2.0
#include "core/formats/torch_file.h"
#include "core/formats/weights_file.h"
#include "tests/core/formats/golden_json.h"

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

SafetensorsItem one(std::string name, const float& value)
{
    return safetensorsItem(std::move(name), DType::F32, {1}, std::as_bytes(std::span(&value, 1)));
}

/// The single value of the tensor "w", with the group it stands in.
std::pair<std::string, float> valueOf(const std::filesystem::path& file, std::string_view which)
{
    const auto weights = WeightsFile::open(file, which);
    EXPECT_TRUE(weights) << weights.error().message;
    if (!weights || weights->entries().size() != 1 || weights->entries()[0].name != "w")
        return {"nothing", 0.0f};
    float value = 0;
    EXPECT_TRUE(weights->copy(weights->entries()[0], std::as_writable_bytes(std::span(&value, 1))));
    return {weights->group(), value};
}

using Found = std::pair<std::string, float>;

} // namespace

TEST(WeightsFile, TakesTheAverageOrTheRawWeightsOfACheckpoint)
{
    ScratchFolder scratch;
    const float raw = 1, average = 2, moment = 3;
    const std::vector<TorchNode> model = torchStateDict({one("w", raw)}), ema = torchStateDict({one("w", average)});
    const std::vector<TorchNode> shadow{{"decay", Json(0.9999)}, {"shadow", ema}, {"num_updates", Json(7)}};
    const std::vector<TorchNode> optimizer = torchStateDict({one("exp_avg", moment)});
    ASSERT_TRUE(writeTorch(scratch / "dit.pt", {{"model", model}, {"ema", ema}, {"opt", optimizer}}));
    EXPECT_EQ(valueOf(scratch / "dit.pt", "raw"), (Found{"model.", raw}));
    EXPECT_EQ(valueOf(scratch / "dit.pt", "ema"), (Found{"ema.", average}));
    ASSERT_TRUE(writeTorch(scratch / "ddpm.pt", {{"model", model}, {"optimizer", optimizer}, {"ema", shadow}, {"epoch", Json(3)}}));
    EXPECT_EQ(valueOf(scratch / "ddpm.pt", "raw"), (Found{"model.", raw}));
    EXPECT_EQ(valueOf(scratch / "ddpm.pt", "ema"), (Found{"ema.shadow.", average}));
    ASSERT_TRUE(writeTorch(scratch / "timm.pth", {{"state_dict", model}, {"optimizer", optimizer}, {"arch", Json("vit")}}));
    EXPECT_EQ(valueOf(scratch / "timm.pth", "ema"), (Found{"state_dict.", raw})); // no average there
    ASSERT_TRUE(writeTorch(scratch / "bare.pt", model));
    EXPECT_EQ(valueOf(scratch / "bare.pt", "ema"), (Found{"", raw}));
    ASSERT_TRUE(writeSafetensors(scratch / "some.safetensors", {one("w", raw)}, {{"about", "text"}}));
    EXPECT_EQ(valueOf(scratch / "some.safetensors", "ema"), (Found{"", raw}));
    EXPECT_EQ(WeightsFile::open(scratch / "some.safetensors")->metadata().at("about"), "text");
    EXPECT_EQ(WeightsFile::open(scratch / "timm.pth")->metadata().at("arch"), "vit");
}

TEST(WeightsFile, GoesByContentAndByNameOnlyWhereTheContentIsUnknown)
{
    ScratchFolder scratch;
    const float raw = 1;
    ASSERT_TRUE(writeTorch(scratch / "some.weights", torchStateDict({one("w", raw)})));
    EXPECT_EQ(valueOf(scratch / "some.weights", "raw"), (Found{"", raw}));
    ASSERT_TRUE(writeFileAtomically(scratch / "page.pt", "<html>"));
    const auto page = WeightsFile::open(scratch / "page.pt");
    ASSERT_FALSE(page);
    EXPECT_NE(page.error().message.find("web page"), std::string::npos);
}

TEST(WeightsFileGolden, FindsTheWeightsOfADiTCheckpoint)
{
    ESPALIER_NEED_GOLDEN(goldenFormats() / "pt.json");
    for (const char* name : {"dit_checkpoint.pt", "dit_checkpoint_legacy.pt"})
        for (const char* which : {"raw", "ema"}) {
            const auto weights = WeightsFile::open(goldenFormats() / "pt" / name, which);
            ASSERT_TRUE(weights) << weights.error().message;
            EXPECT_EQ(weights->group(), which == std::string("raw") ? "model." : "ema.");
            ASSERT_EQ(weights->entries().size(), 8u);
            EXPECT_EQ(weights->entries()[0].name, "first.weight");
            EXPECT_EQ(weights->entries()[7].shape, (std::vector<std::int64_t>{2, 4}));
        }
}
