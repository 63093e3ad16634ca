// SPDX-License-Identifier: Apache-2.0
#include "core/diffusion/samplers.h"

#include "core/config/respacing.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace espalier::diffusion {
namespace {

at::Tensor levels(std::int64_t level, const at::Tensor& x)
{
    return at::full({x.size(0)}, level, x.options().dtype(at::kLong));
}

tensors::Draws drawsOf(std::uint64_t seed, std::int64_t step, const at::Tensor& slots)
{
    return {seed, at::full({}, step, at::TensorOptions().dtype(at::kLong)), slots};
}

} // namespace

at::Tensor Sampler::start(std::uint64_t seed, const at::Tensor& slots, const models::ImageShape& image)
{
    return drawsOf(seed, 0, slots).normal(Stream::SampleStart, {image.channels, image.height, image.width});
}

Sampler::Step Sampler::advance(std::int64_t step, const Network& network, const at::Tensor& x, std::uint64_t seed,
                               const at::Tensor& slots) const
{
    const at::Tensor output = network(x, levels(levelOf(step), x)).to(x.scalar_type());
    const at::Tensor noise = noisy(step) ? drawsOf(seed, step, slots).normal(Stream::SampleNoise, x.sizes().slice(1)) : at::Tensor();
    return this->step(step, output, x, noise);
}

AncestralSampler::AncestralSampler(const Process& process, bool clip) : m_process(process), m_clip(clip) {}

Sampler::Step AncestralSampler::step(std::int64_t step, const at::Tensor& output, const at::Tensor& x, const at::Tensor& noise) const
{
    const at::Tensor t = levels(step, x);
    const auto [x0, mean, logVar] = m_process.reverse(output, x, t, m_clip);
    return {noisy(step) ? mean + at::exp(0.5 * logVar) * noise : mean, x0};
}

std::vector<std::int64_t> subsequence(config::SkipSchedule skip, std::int64_t steps, std::int64_t levels)
{
    std::vector<std::int64_t> chosen;
    steps = std::clamp<std::int64_t>(steps, 1, levels);
    if (skip == config::SkipSchedule::Linear)
        for (std::int64_t level = 0; level < levels; level += levels / steps)
            chosen.push_back(level);
    else {
        // In float32 and with LibTorch's spacing, as published: in double the tie 12.5 (25 of 1000) lies a hair above and becomes 13.
        const at::Tensor roots = at::linspace(0.0, std::sqrt(0.8 * static_cast<double>(levels)), steps, at::kFloat);
        const at::Tensor rounded = roots.square().round().to(at::kLong);
        chosen.assign(rounded.const_data_ptr<std::int64_t>(), rounded.const_data_ptr<std::int64_t>() + steps);
    }
    return chosen;
}

DdimTables ddimTables(const Table& alphasBarOfAll, const std::vector<std::int64_t>& levels, double eta, config::VarType varType)
{
    const std::size_t count = levels.size();
    TORCH_CHECK(count > 0, "DDIM needs at least one level.");
    DdimTables d;
    const bool large = varType == config::VarType::FixedLarge && eta >= 1.0; // the large variance belongs to eta = 1 alone
    d.varType = large ? config::VarType::FixedLarge : config::VarType::FixedSmall;
    for (Table* table : {&d.alphasBar, &d.betas, &d.c1, &d.c2, &d.modelVar, &d.modelLogVar})
        table->resize(count);
    Table variance(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double bar = alphasBarOfAll.at(static_cast<std::size_t>(levels[i])), before = i ? d.alphasBar[i - 1] : 1.0;
        const double alpha = bar / before, beta = 1.0 - alpha;
        d.alphasBar[i] = bar;
        d.betas[i] = beta;
        variance[i] = eta * eta * beta * (1.0 - before) / (1.0 - bar);
        // In this order: at the first level and eta = 1 the difference is then exactly 0, never below.
        d.c2[i] = std::sqrt(std::max(1.0 - bar - eta * eta * beta, 0.0)) * std::sqrt(1.0 - before) / (1.0 - bar);
        d.c1[i] = std::sqrt(before) * (1.0 - std::sqrt(alpha) * d.c2[i]);
    }
    const std::size_t second = std::min<std::size_t>(1, count - 1);
    const auto logOf = [](double v) { return std::log(std::max(v, 1e-20)); };
    for (std::size_t i = 0; i < count; ++i) {
        d.modelVar[i] = large ? d.betas[i] : variance[i];
        d.modelLogVar[i] = large && i > 0 ? logOf(d.betas[i]) : logOf(variance[i ? i : second]);
    }
    return d;
}

DdimSampler::DdimSampler(const Process& process, std::vector<std::int64_t> levels, double eta, bool clip)
    : m_process(process), m_levels(std::move(levels)), m_eta(eta), m_clip(clip),
      m_tables(ddimTables(process.tables().alphasBar, m_levels, eta, process.varType()))
{
}

Sampler::Step DdimSampler::step(std::int64_t step, const at::Tensor& output, const at::Tensor& x, const at::Tensor& noise) const
{
    const auto i = static_cast<std::size_t>(step);
    const at::Tensor x0 = m_process.reverse(output, x, levels(levelOf(step), x), m_clip).x0;
    const at::Tensor next = m_tables.c1[i] * x0 + m_tables.c2[i] * x;
    // The root of the variance in the dtype of the image, as the tables of the published code are.
    const at::Tensor logVar = at::full({}, m_tables.modelLogVar[i], x.options());
    return {noisy(step) ? next + at::exp(0.5 * logVar) * noise : next, x0};
}

std::unique_ptr<Sampler> makeSampler(const Process& process, const config::SamplerConfig& config, bool pixels)
{
    const bool ancestral = config.kind == config::SamplerKind::Ddpm, clip = pixels && config.clipDenoised;
    if (config.timestepRespacing.empty()) {
        if (ancestral)
            return std::make_unique<AncestralSampler>(process, clip);
        return std::make_unique<DdimSampler>(process, subsequence(config.skip, config.steps, process.levels()), config.eta, clip);
    }
    const auto levels = config::respacedLevels(config.timestepRespacing, process.levels());
    TORCH_CHECK(levels, "A bug: a respacing that was not validated.");
    if (ancestral)
        return std::make_unique<AncestralSampler>(process.respaced(*levels), clip);
    return std::make_unique<DdimSampler>(process, *levels, config.eta, clip);
}

} // namespace espalier::diffusion
