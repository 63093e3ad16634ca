// SPDX-License-Identifier: Apache-2.0
#include "core/generation/generator.h"
#include "core/generation/grid.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::generation {
namespace {

/// Predicts a clean image whose value is the class: 0.1 k for class k, and -0.5 for any class.
class Colours : public models::Model {
public:
    explicit Colours(std::int64_t classes, std::int64_t channels = 3) : m_classes(classes), m_channels(channels)
    {
        register_parameter("weight", at::ones({1}));
    }
    std::string kind() const override { return "colours"; }
    models::ImageShape image() const override { return {m_channels, 4, 4}; }
    std::int64_t classes() const override { return m_classes; }
    at::Tensor forward(const tensors::Batch& batch, const tensors::Path&, const tensors::Draws&) override
    {
        if (!batch.labels.defined())
            return batch.x * 0.25;
        const at::Tensor value = at::where(batch.labels == m_classes, -0.5, batch.labels.to(at::kFloat) * 0.1);
        return value.to(at::kFloat).view({-1, 1, 1, 1}).expand(batch.x.sizes());
    }

private:
    std::int64_t m_classes, m_channels;
};

Generator colours(std::int64_t classes, double guidance = 1.0, std::int64_t label = -1)
{
    config::DiffusionConfig diffusion;
    diffusion.meanType = config::MeanType::X0;
    config::SamplerConfig sampler;
    sampler.steps = 5;
    sampler.guidance = guidance;
    sampler.label = label;
    return {std::make_shared<Colours>(classes), diffusion, sampler, 3};
}

/// The grey of each image.
std::vector<int> greys(Generator generator, std::int64_t first, std::int64_t count)
{
    const auto images = generator.draw(first, count, 2, {}, {});
    std::vector<int> values;
    for (std::int64_t i = 0; i < count; ++i)
        values.push_back((*images)[i][0][0][0].item<int>());
    return values;
}

int grey(double x)
{
    return static_cast<int>(std::nearbyint(127.5 * x + 127.5));
}

TEST(Generator, GoesThroughTheClassesInTurnWhateverTheBatch)
{
    EXPECT_EQ(greys(colours(3), 0, 5), (std::vector{grey(0), grey(0.1), grey(0.2), grey(0), grey(0.1)}));
    EXPECT_EQ(greys(colours(3), 4, 2), (std::vector{grey(0.1), grey(0.2)}));
    EXPECT_EQ(greys(colours(3, 1.0, 2), 0, 2), (std::vector{grey(0.2), grey(0.2)}));
    EXPECT_EQ(colours(3).classesInTurn(), 3);
    EXPECT_EQ(colours(3, 1.0, 2).classesInTurn(), 0);
}

TEST(Generator, GuidanceGoesOnFromAnyClassThroughTheClass)
{
    // any + 1.5 (class - any)
    EXPECT_EQ(greys(colours(3, 1.5), 0, 3), (std::vector{grey(0.25), grey(0.4), grey(0.55)}));
    EXPECT_EQ(greys(colours(3, 0.0), 1, 1), (std::vector{grey(-0.5)}));
}

TEST(Generator, TheRecipeSaysWhichChannelsAreGuidedAndWhichLevelsVisited)
{
    config::SamplerConfig sampler;
    sampler.kind = config::SamplerKind::Ddpm;
    sampler.timestepRespacing = "250";
    sampler.clipDenoised = false;
    sampler.guidance = 4.0;
    sampler.guidanceChannels = config::GuidanceChannels::FirstThree;
    const auto of = [&](std::int64_t channels) { return Generator(std::make_shared<Colours>(3, channels), {}, sampler, 3); };
    EXPECT_EQ(of(4).samplerName(), "DDPM-250, unclipped, CFG 4 on 3 channels");
    EXPECT_EQ(of(4).recipe()["guidance_channels"], "first-three");
    EXPECT_EQ(of(4).recipe()["timestep_respacing"], "250");
    EXPECT_EQ(of(4).recipe()["clip_denoised"], false);
    EXPECT_EQ(of(3).samplerName(), "DDPM-250, unclipped, CFG 4"); // three are all
    EXPECT_EQ(of(3).recipe()["guidance_channels"], "all");
    sampler.kind = config::SamplerKind::Ddim;
    sampler.timestepRespacing = "10,15,20";
    EXPECT_EQ(of(3).samplerName(), "DDIM-45, respaced 10,15,20, unclipped, CFG 4");
    EXPECT_FALSE(of(3).recipe().contains("skip"));
}

TEST(Generator, TheRecipeSaysWhatDecidesTheImages)
{
    EXPECT_EQ(colours(0).samplerName(), "DDIM-5");
    EXPECT_FALSE(colours(0).recipe().contains("guidance"));
    EXPECT_EQ(colours(3, 1.5, 2).samplerName(), "DDIM-5, CFG 1.5, class 2");
    EXPECT_EQ(colours(3, 1.5, 2).recipe()["guidance"], 1.5);
    EXPECT_EQ(colours(3, 1.5, 2).recipe()["label"], 2);
}

TEST(Generator, AnImageDependsOnItsNumberAlone)
{
    auto one = colours(0), other = colours(0);
    const auto whole = one.draw(0, 5, 5, {}, {}), parts = other.draw(3, 2, 1, {}, {});
    EXPECT_TRUE(at::equal(whole->narrow(0, 3, 2), *parts));
    EXPECT_FALSE(at::equal((*whole)[3], (*whole)[4]));
}

TEST(GridLayout, GivesEveryClassAColumn)
{
    EXPECT_EQ(gridLayout(40).columns, 6);
    EXPECT_EQ(gridLayout(40, 10).columns, 10);
    EXPECT_EQ(gridLayout(9, 10).columns, 3); // not all classes are there
    EXPECT_EQ(gridLayout(4000, 1000).columns, 63);
    Json recipe = Json::object();
    nameColumns(recipe, gridLayout(9, 3), {"leaf", "tree", "snail"});
    EXPECT_EQ(recipe.at("class_names"), Json({"leaf", "tree", "snail"}));
    Json without = Json::object(); // three columns, but of no class
    nameColumns(without, gridLayout(9), {"leaf", "tree", "snail"});
    nameColumns(without, gridLayout(9, 3), {});
    EXPECT_TRUE(without.empty());
}

} // namespace
} // namespace espalier::generation
