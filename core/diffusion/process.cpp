// SPDX-License-Identifier: Apache-2.0
#include "core/diffusion/process.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace espalier::diffusion {
namespace {

template <class F>
Table mapped(const Table& from, const F& f)
{
    Table to(from.size());
    for (std::size_t i = 0; i < from.size(); ++i)
        to[i] = f(i);
    return to;
}

Table modelLogVar(const ProcessTables& tables, config::VarType varType)
{
    switch (varType) {
    case config::VarType::FixedLarge:
        return tables.logVarFixedLarge;
    case config::VarType::FixedSmall:
        return tables.logVarFixedSmall;
    case config::VarType::LearnedRange:
        return mapped(tables.betas, [&](std::size_t i) { return std::log(tables.betas[i]); });
    }
    TORCH_CHECK(false, "A bug: a variance without a table.");
}

} // namespace

ProcessTables processTables(const Table& betas)
{
    const std::size_t levels = betas.size();
    TORCH_CHECK(levels > 0 && std::all_of(betas.begin(), betas.end(), [](double b) { return b > 0.0 && b <= 1.0; }),
                "The betas of a diffusion process must be above 0 and at most 1.");
    ProcessTables p;
    p.betas = betas;
    p.alphasBar.resize(levels);
    double product = 1.0;
    for (std::size_t i = 0; i < levels; ++i)
        p.alphasBar[i] = product *= 1.0 - betas[i];
    const Table& bar = p.alphasBar;
    p.alphasBarBefore = mapped(betas, [&](std::size_t i) { return i ? bar[i - 1] : 1.0; });
    const Table& before = p.alphasBarBefore;
    p.sqrtAlphasBar = mapped(bar, [&](std::size_t i) { return std::sqrt(bar[i]); });
    p.sqrtOneMinusAlphasBar = mapped(bar, [&](std::size_t i) { return std::sqrt(1.0 - bar[i]); });
    p.sqrtRecipAlphasBar = mapped(bar, [&](std::size_t i) { return std::sqrt(1.0 / bar[i]); });
    p.sqrtRecipM1AlphasBar = mapped(bar, [&](std::size_t i) { return std::sqrt(1.0 / bar[i] - 1.0); });
    p.posteriorVar = mapped(bar, [&](std::size_t i) { return betas[i] * (1.0 - before[i]) / (1.0 - bar[i]); });
    p.posteriorMeanCoef1 = mapped(bar, [&](std::size_t i) { return betas[i] * std::sqrt(before[i]) / (1.0 - bar[i]); });
    p.posteriorMeanCoef2 = mapped(bar, [&](std::size_t i) { return std::sqrt(1.0 - betas[i]) * (1.0 - before[i]) / (1.0 - bar[i]); });
    // The first posterior variance is 0: its logarithm is replaced by the second, in the table of beta too.
    const std::size_t second = std::min<std::size_t>(1, levels - 1);
    p.posteriorLogVar = mapped(bar, [&](std::size_t i) { return std::log(p.posteriorVar[i ? i : second]); });
    p.logVarFixedSmall = p.posteriorLogVar;
    p.logVarFixedLarge = mapped(bar, [&](std::size_t i) { return i ? std::log(betas[i]) : p.posteriorLogVar[0]; });
    return p;
}

at::Tensor Lookup::operator()(const at::Tensor& t, const at::Tensor& image) const
{
    if (!m_onDevice.defined() || m_onDevice.device() != image.device() || m_onDevice.scalar_type() != image.scalar_type())
        m_onDevice = at::tensor(m_table, at::TensorOptions().dtype(at::kDouble)).to(image.scalar_type()).to(image.device());
    std::vector<std::int64_t> shape(static_cast<std::size_t>(image.dim()), 1);
    shape.front() = t.size(0);
    return m_onDevice.index_select(0, t).view(shape);
}

Process::Process(const config::DiffusionConfig& c)
    : Process(betaSchedule(c.betaSchedule, c.betaStart, c.betaEnd, c.timesteps), c.meanType, c.varType)
{
}

Process::Process(Table betas, config::MeanType meanType, config::VarType varType)
    : m_tables(processTables(betas)), m_meanType(meanType), m_varType(varType), m_sqrtAlphasBar(m_tables.sqrtAlphasBar),
      m_sqrtOneMinusAlphasBar(m_tables.sqrtOneMinusAlphasBar), m_sqrtRecip(m_tables.sqrtRecipAlphasBar),
      m_sqrtRecipM1(m_tables.sqrtRecipM1AlphasBar), m_coef1(m_tables.posteriorMeanCoef1), m_coef2(m_tables.posteriorMeanCoef2),
      m_posteriorLogVar(m_tables.posteriorLogVar), m_logVar(modelLogVar(m_tables, varType))
{
}

Process Process::respaced(std::vector<std::int64_t> levels) const
{
    Table betas;
    double before = 1.0;
    for (const auto level : levels) {
        const double bar = m_tables.alphasBar.at(static_cast<std::size_t>(level));
        betas.push_back(1.0 - bar / before);
        before = bar;
    }
    Process shorter(std::move(betas), m_meanType, m_varType);
    for (auto& level : levels)
        level = networkLevel(level);
    shorter.m_kept = std::move(levels);
    return shorter;
}

at::Tensor Process::noised(const at::Tensor& x0, const at::Tensor& t, const at::Tensor& noise) const
{
    return m_sqrtAlphasBar(t, x0) * x0 + m_sqrtOneMinusAlphasBar(t, x0) * noise;
}

at::Tensor Process::x0FromEps(const at::Tensor& xt, const at::Tensor& t, const at::Tensor& eps) const
{
    return m_sqrtRecip(t, xt) * xt - m_sqrtRecipM1(t, xt) * eps;
}

at::Tensor Process::epsFromX0(const at::Tensor& xt, const at::Tensor& t, const at::Tensor& x0) const
{
    return (m_sqrtRecip(t, xt) * xt - x0) / m_sqrtRecipM1(t, xt);
}

at::Tensor Process::x0FromMean(const at::Tensor& xt, const at::Tensor& t, const at::Tensor& mean) const
{
    // Divided, not multiplied by the reciprocal, and in the dtype of the image, as published: at large t the difference of two numbers
    // near 4000 is near 1, and every rounding shows.
    const at::Tensor coef1 = m_coef1(t, xt);
    return mean / coef1 - m_coef2(t, xt) / coef1 * xt;
}

at::Tensor Process::posteriorMean(const at::Tensor& x0, const at::Tensor& xt, const at::Tensor& t) const
{
    return m_coef1(t, xt) * x0 + m_coef2(t, xt) * xt;
}

at::Tensor Process::target(const at::Tensor& x0, const at::Tensor& xt, const at::Tensor& t, const at::Tensor& noise) const
{
    switch (m_meanType) {
    case config::MeanType::Eps:
        return noise;
    case config::MeanType::X0:
        return x0;
    case config::MeanType::Mean:
        return posteriorMean(x0, xt, t);
    }
    TORCH_CHECK(false, "A bug: a prediction without a target.");
}

Process::Halves Process::halves(const at::Tensor& output) const
{
    if (m_varType != config::VarType::LearnedRange)
        return {output, {}};
    const auto parts = output.chunk(2, 1);
    return {parts[0], parts[1]};
}

Process::Reverse Process::reverse(const at::Tensor& output, const at::Tensor& xt, const at::Tensor& t, bool clip) const
{
    const auto [prediction, variance] = halves(output);
    at::Tensor logVar = m_logVar(t, xt);
    if (variance.defined()) {
        const at::Tensor share = (variance + 1.0) / 2.0;
        logVar = share * logVar + (1.0 - share) * m_posteriorLogVar(t, xt);
    }
    const auto clipped = [&](const at::Tensor& x0) { return clip ? x0.clamp(-1.0, 1.0) : x0; };
    if (m_meanType == config::MeanType::Mean) // the mean itself was predicted: clipping shows in x0 alone
        return {clipped(x0FromMean(xt, t, prediction)), prediction, logVar};
    const at::Tensor x0 = clipped(m_meanType == config::MeanType::X0 ? prediction : x0FromEps(xt, t, prediction));
    return {x0, posteriorMean(x0, xt, t), logVar};
}

} // namespace espalier::diffusion
