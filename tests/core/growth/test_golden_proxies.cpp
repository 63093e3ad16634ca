// SPDX-License-Identifier: Apache-2.0
// AutoProg-Zero's scores of a tiny DiT, at every level of unfreezing.
#include "core/diffusion/losses.h"
#include "core/growth/proxies.h"
#include "tests/core/growth/growth_support.h"
#include "tests/core/models/golden_dit.h"

namespace espalier::growth {
namespace {

using namespace espalier::tests;

/// The hybrid loss with the level and noise that are given for each batch. The published code keeps coefficients in single precision
/// whatever the rest is; ours do not, and ZiCo, which divides by differences of gradients, would show it in the fifth digit.
class GivenNoise : public models::Objective {
public:
    std::vector<std::pair<at::Tensor, at::Tensor>> given; // t and noise, in the order of the calls
    std::vector<double> losses;

    models::LossTerms operator()(models::Model& model, const tensors::Batch& batch, const tensors::Path& path,
                                 const tensors::Draws& draws) override
    {
        const auto& [t, noise] = given.at(losses.size());
        const auto look = [&, at = t](const diffusion::Table& table) {
            return at::tensor(table, at::kDouble).to(at::kFloat).to(at::kDouble).index_select(0, at).view({-1, 1, 1, 1});
        };
        const auto xt = look(m_tables.sqrtAlphasBar) * batch.x + look(m_tables.sqrtOneMinusAlphasBar) * noise;
        const auto output = model.forward({xt, t, batch.labels, {}}, path, draws).chunk(2, 1);
        const auto eps = output[0].detach(), share = (output[1] + 1) / 2;
        diffusion::Table logBetas;
        for (const double beta : m_tables.betas)
            logBetas.push_back(std::log(beta));
        const auto logVar = share * look(logBetas) + (1 - share) * look(m_tables.posteriorLogVar);
        const auto meanFrom = [&](const at::Tensor& x0) {
            return look(m_tables.posteriorMeanCoef1) * x0 + look(m_tables.posteriorMeanCoef2) * xt;
        };
        const auto mean = meanFrom(look(m_tables.sqrtRecipAlphasBar) * xt - look(m_tables.sqrtRecipM1AlphasBar) * eps);
        const auto kl = diffusion::normalKl(meanFrom(batch.x), look(m_tables.posteriorLogVar), mean, logVar).flatten(1).mean(1),
                   first = -diffusion::discretisedLogLikelihood(batch.x, mean, 0.5 * logVar).flatten(1).mean(1);
        const auto bound = at::where(t == 0, first, kl) / std::log(2.0);
        const auto loss = at::square(noise - output[0]).flatten(1).mean(1) + bound;
        losses.push_back(loss.mean().item<double>());
        return {loss.mean(), loss.detach()};
    }
    std::string name() const override { return "given"; }
    void save(Json&, tensors::TensorMap&) const override {}
    Result<Done> load(const Json&, const tensors::TensorMap&) override { return Done{}; }

private:
    const diffusion::ProcessTables m_tables =
        diffusion::processTables(diffusion::betaSchedule(config::BetaSchedule::Linear, 1e-4, 0.02, 1000));
};

class GoldenProxies : public testing::Test {
protected:
    void SetUp() override
    {
        const auto file = goldenFolder() / "progressive" / "zero.json";
        ESPALIER_NEED_GOLDEN(file);
        at::set_num_threads(1);
        m_document = readJson(file);
        const auto inputs = m_document.at("inputs").at("latents").get<std::string>(); // "input:latent<k>.<side> …"
        m_tag = inputs.substr(0, inputs.find("input:"));
        m_labels = wholeNumbers(m_document.at("inputs").at("labels"));
        const Json& s = m_document.at("settings");
        const config::DitConfig c{.patchSize = s.at("patch_size"),
                                  .hiddenSize = s.at("hidden_size"),
                                  .depth = s.at("depth"),
                                  .numHeads = s.at("num_heads"),
                                  .learnSigma = true,
                                  .numClasses = s.at("num_classes"),
                                  .numStages = s.at("num_stages")};
        const std::int64_t channels = s.at("in_channels"), side = s.at("input_size");
        m_net.shape = {.inChannels = channels, .outChannels = 2 * channels, .side = side, .model = c};
        m_net.model = std::make_shared<models::Dit>(c, models::ImageShape{channels, side, side}, models::Place{.dtype = at::kDouble});
        m_net.model->eval();
        const at::NoGradGuard guard;
        for (auto& item : m_net.model->named_parameters()) {
            if (item.value().requires_grad())
                item.value().copy_(filledAs(m_tag + item.key(), item.value()));
            m_net.state.slots.push_back({.name = item.key(), .value = item.value()});
        }
    }

    void unfreeze(std::int64_t level)
    {
        std::vector<std::int64_t> blocks;
        for (std::int64_t i = 0; i < std::get<config::DitConfig>(m_net.shape.model).depth; ++i)
            if (i % 4 < level)
                blocks.push_back(i);
        setGradients(m_net.state, m_net.shape, rangesOf(blocks));
    }
    at::Tensor input(const std::string& what, std::int64_t number, std::int64_t side) const
    {
        return inputTensor(m_tag + "input:" + what + std::to_string(number) + "." + std::to_string(side),
                           {m_labels.size(0), m_net.shape.inChannels, side, side})
            .to(at::kDouble);
    }
    at::Tensor levels(std::size_t number) const { return wholeNumbers(m_document.at("inputs").at("t")[number]); }

    Json m_document;
    std::string m_tag;
    at::Tensor m_labels;
    Net m_net;
    const tensors::Path m_path{.keepBlock = {}, .sid = 2};
};

TEST_F(GoldenProxies, TangentKernelsAreThePublishedOnes)
{
    ASSERT_GT(m_document.at("ntk").at("cases").size(), 0u);
    for (const auto& c : m_document.at("ntk").at("cases")) {
        SCOPED_TRACE(c.dump().substr(0, 60));
        const std::int64_t number = c.at("latents");
        unfreeze(c.at("level"));
        const tensors::Batch batch{input("latent", number, c.at("side")), levels(static_cast<std::size_t>(number)), m_labels, {}};
        const auto kernel = tangentKernel(*m_net.model, batch, m_path, {});
        std::vector<at::Tensor> rows;
        for (const auto& row : c.at("gram_float64"))
            rows.push_back(at::tensor(row.get<std::vector<double>>(), at::kDouble));
        expectGolden(kernel, at::stack(rows), ditTolerance(1e-6), "kernel");
        const double wanted = c.at("float64");
        EXPECT_NEAR(conditionScore(kernel), wanted, ditTolerance(1e-5) * std::abs(wanted)); // as the file states
    }
}

TEST_F(GoldenProxies, ZicoIsThePublishedOne)
{
    ASSERT_GT(m_document.at("zico").at("cases").size(), 0u);
    for (const auto& c : m_document.at("zico").at("cases")) {
        SCOPED_TRACE(c.dump().substr(0, 60));
        const std::int64_t side = c.at("side");
        unfreeze(c.at("level"));
        GivenNoise objective;
        std::vector<tensors::Batch> batches;
        for (const std::int64_t number : {2, 3}) {
            batches.push_back({input("latent", number, side), {}, m_labels, {}});
            objective.given.emplace_back(levels(static_cast<std::size_t>(number)), input("noise", number, side));
        }
        const double wanted = c.at("float64");
        const std::vector<tensors::Draws> draws(2);
        // Where features of timesteps differ by a bit, nearly equal gradients differ by another amount, and ZiCo by its inverse.
        const double share = ditTolerance(1e-6) > 1e-6 ? 5e-3 : 1e-6;
        EXPECT_NEAR(zicoScore(*m_net.model, objective, batches, m_path, draws), wanted, share * wanted);
        for (std::size_t i = 0; i < 2; ++i)
            EXPECT_NEAR(objective.losses[i], c.at("losses")[i].get<double>(), ditTolerance(1e-6) * c.at("losses")[i].get<double>());
    }
}

TEST_F(GoldenProxies, ZicoByHandIsThePublishedOne)
{
    ASSERT_FALSE(m_document.at("zico_by_hand").empty());
    for (const auto& c : m_document.at("zico_by_hand")) {
        std::vector<std::vector<at::Tensor>> gradients;
        for (const auto& module : c.at("gradients")) {
            gradients.emplace_back();
            for (const auto& batch : module)
                gradients.back().push_back(at::tensor(batch.get<std::vector<double>>(), at::kDouble));
        }
        EXPECT_NEAR(zicoOf(gradients), c.at("zico").get<double>(), 1e-10) << c.dump();
    }
}

} // namespace
} // namespace espalier::growth
