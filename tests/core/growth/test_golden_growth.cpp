// SPDX-License-Identifier: Apache-2.0
// AutoProg's growth operators on tiny ViTs.
#include "core/plan/growth_map.h"
#include "tests/core/growth/growth_support.h"

namespace espalier::growth {
namespace {

using namespace espalier::tests;

const std::vector<double> kDecays{0.998, 0.9986, 0.999, 0.9996};

class GoldenGrowth : public testing::Test {
protected:
    void SetUp() override
    {
        const auto folder = goldenFolder() / "progressive";
        ESPALIER_NEED_GOLDEN(folder / "growth.json");
        at::set_num_threads(1);
        m_document = readJson(folder / "growth.json");
        m_tensors = readGoldenTensors(folder / "growth.safetensors");
        const auto input = m_document.at("input").get<std::string>(); // "input:x [2, 3, 16, 16]"
        m_tag = input.substr(0, input.find("input:"));
        const std::int64_t side = settings("img_size");
        m_input = inputTensor(input.substr(0, input.find(' ')), {2, 3, side, side});
    }

    std::int64_t settings(const char* key) const { return m_document.at("settings").at(key); }

    Net vit(std::int64_t depth, const std::string& prefix, std::vector<double> decays = {}) const
    {
        auto shape = vitShape(depth, settings("embed_dim"), settings("num_heads"));
        shape.side = settings("img_size");
        auto& c = std::get<config::VitConfig>(shape.model);
        c.patchSize = settings("patch_size");
        c.numClasses = settings("num_classes");
        auto net = makeNet(shape, m_tag + prefix, std::move(decays));
        net.model->eval();
        return net;
    }
    /// A trained network whose averages have values of their own.
    Net trained(std::int64_t depth) const
    {
        auto net = vit(depth, "online:", kDecays);
        const at::NoGradGuard guard;
        for (auto& slot : net.state.slots) {
            slot.step.fill_(7);
            for (std::size_t i = 0; i < kDecays.size(); ++i)
                slot.ema[i].copy_(ofModel("ema" + std::to_string(i), slot.name, slot.value));
        }
        return net;
    }
    at::Tensor ofModel(const std::string& model, const std::string& name, const at::Tensor& value) const
    {
        return filledAs(m_tag + model + ":" + name, value);
    }

    /// "online:blocks.0" for a block, "online" for whatever else.
    void expectOrigin(const std::string& name, const at::Tensor& value, const Json& origins) const
    {
        auto key = name;
        std::string inner;
        if (name.starts_with("blocks.")) {
            const auto cut = name.find('.', std::string("blocks.").size());
            key = name.substr(0, cut);
            inner = name.substr(cut);
        }
        const auto origin = origins.at(key).get<std::string>();
        const auto colon = origin.find(':');
        const auto source = colon == std::string::npos ? name : origin.substr(colon + 1) + inner;
        EXPECT_TRUE(at::equal(value, ofModel(origin.substr(0, colon), source, value))) << name << " from " << origin;
    }

    void expectLogits(Net& net, const std::string& name) const
    {
        const at::NoGradGuard guard;
        const auto& tolerance = m_document.at("tolerance");
        expectClose(net.model->forward({.x = m_input}, {}, {}), m_tensors.at(name), tolerance.at("atol"), tolerance.at("rtol"), name);
    }

    static std::vector<std::int64_t> byIndex(std::int64_t from, std::int64_t to)
    {
        std::vector<std::int64_t> blocks;
        for (std::int64_t i = 0; i < to; ++i)
            blocks.push_back(i < from ? i : -1);
        return blocks;
    }
    std::vector<plan::PartSource> sources(const std::string& op, std::int64_t from, std::int64_t to) const
    {
        if (op.starts_with("rand_init"))
            return sourcesOf(byIndex(from, to), "stage-00");
        return sourcesOf(plan::depthMap(from, to), "stage-00", op.starts_with("mogrow") ? "ema:0.9996" : "");
    }

    Json m_document;
    tensors::TensorMap m_tensors;
    std::string m_tag;
    at::Tensor m_input;
};

TEST_F(GoldenGrowth, OperatorsGiveThePublishedWeights)
{
    ASSERT_FALSE(m_document.at("operators").empty());
    for (const auto& c : m_document.at("operators")) {
        const std::string op = c.at("operator");
        SCOPED_TRACE(op + c.at("logits").get<std::string>());
        auto before = trained(c.at("from")), after = vit(c.at("to"), "fresh:");
        const Parent parents[] = {before.as("stage-00")};
        expectGrown(grow(stageOf(after, sources(op, c.at("from"), c.at("to"))), parents, after.state));
        for (const auto& slot : after.state.slots)
            expectOrigin(slot.name, slot.value, c.at("origin"));
        expectLogits(after, c.at("logits"));
    }
}

TEST_F(GoldenGrowth, AveragesGrowFromThemselvesAndTheOptimizerIsNew)
{
    ASSERT_FALSE(m_document.at("growth_step").empty());
    for (const auto& c : m_document.at("growth_step")) {
        const auto flags = c.at("flags").get<std::vector<std::string>>();
        const std::string op = flags.empty() ? "rand_init" : flags[0] == "load_with_clone_ema" ? "mogrow" : "clone";
        SCOPED_TRACE(op);
        ASSERT_EQ(c.at("optimizer_state_tensors"), 0);
        auto before = trained(c.at("from")), after = vit(c.at("to"), "fresh:", kDecays);
        const Parent parents[] = {before.as("stage-00")};
        expectGrown(grow(stageOf(after, sources(op, c.at("from"), c.at("to")), config::Carry::Reset), parents, after.state));
        for (const auto& slot : after.state.slots) {
            expectOrigin(slot.name, slot.value, c.at("online"));
            EXPECT_EQ(slot.step.item<float>(), 0.0f) << slot.name;
            for (std::size_t i = 0; i < kDecays.size(); ++i) {
                ASSERT_EQ(c.at("emas")[i].at("decay"), kDecays[i]);
                expectOrigin(slot.name, slot.ema[i], c.at("emas")[i].at("origin"));
            }
        }
    }
}

TEST_F(GoldenGrowth, ASubNetworkTakesTheBlocksThatRan)
{
    ASSERT_FALSE(m_document.at("extraction").at("cases").empty());
    for (const auto& c : m_document.at("extraction").at("cases")) {
        auto supernet = vit(c.at("supernet_depth"), "super:"), after = vit(c.at("depth"), "fresh:");
        std::vector<std::int64_t> blocks;
        for (std::int64_t i = 0; i < c.at("depth"); ++i) {
            const auto origin = c.at("origin").at("blocks." + std::to_string(i)).get<std::string>(); // "super:blocks.2"
            blocks.push_back(std::stoll(origin.substr(origin.rfind('.') + 1)));
        }
        const Parent parents[] = {supernet.as("search-01")};
        expectGrown(grow(stageOf(after, sourcesOf(blocks, "search-01")), parents, after.state));
        for (const auto& slot : after.state.slots)
            expectOrigin(slot.name, slot.value, c.at("origin"));
        expectLogits(after, c.at("logits"));
    }
}

} // namespace
} // namespace espalier::growth
