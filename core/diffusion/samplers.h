// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/diffusion_config.h"
#include "core/diffusion/process.h"
#include "core/models/model.h"

#include <functional>
#include <memory>

namespace espalier::diffusion {

/// The network as a sampler sees it: x [B, C, H, W] and the level of every sample, int64 [B] -> output.
using Network = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& t)>;

/// Draws images step by step, so that the caller shows progress and can stop between steps. All noise is a function of (seed,
/// number of the sample, step): neither batch size nor the number of ranks changes an image's noise.
class Sampler {
public:
    virtual ~Sampler() = default;

    /// Steps of one run; step() is called with steps() - 1 … 0.
    virtual std::int64_t steps() const = 0;
    /// The level that the network sees in a step.
    virtual std::int64_t levelOf(std::int64_t step) const = 0;
    struct Step {
        at::Tensor next; // x after the step
        at::Tensor x0;   // the clean image that the network's output stands for, clipped where the sampler clips
    };
    /// One step of the reverse process. `noise` is standard normal, as x; step 0 ignores it.
    virtual Step step(std::int64_t step, const at::Tensor& output, const at::Tensor& x, const at::Tensor& noise) const = 0;

    /// x_T of the samples numbered `slots` (int64 [B], on the device that samples).
    static at::Tensor start(std::uint64_t seed, const at::Tensor& slots, const models::ImageShape& image);
    /// step() with its network call and its draws.
    Step advance(std::int64_t step, const Network& network, const at::Tensor& x, std::uint64_t seed, const at::Tensor& slots) const;
    /// Whether a step adds noise; where it adds none, none is drawn.
    virtual bool noisy(std::int64_t step) const = 0;
};

/// Levels that DDIM visits, ascending, as the published code selects them: `linear` can give more than `steps`, `quadratic` repeats some.
std::vector<std::int64_t> subsequence(config::SkipSchedule skip, std::int64_t steps, std::int64_t levels);

/// Ancestral sampling over all levels of a process, which may be a respaced one.
class AncestralSampler : public Sampler {
public:
    explicit AncestralSampler(const Process& process, bool clip = true);
    std::int64_t steps() const override { return m_process.levels(); }
    std::int64_t levelOf(std::int64_t step) const override { return m_process.networkLevel(step); }
    Step step(std::int64_t step, const at::Tensor& output, const at::Tensor& x, const at::Tensor& noise) const override;
    bool noisy(std::int64_t step) const override { return step > 0; }

private:
    Process m_process;
    bool m_clip;
};

/// Coefficients of DDIM for a sub-sequence of levels, float64: x <- c1 x_0 + c2 x + exp(logVar / 2) noise.
struct DdimTables {
    Table alphasBar, betas, c1, c2, modelVar, modelLogVar;
    config::VarType varType; // fixed-large survives only eta = 1; a learned variance is not used, as published
};
DdimTables ddimTables(const Table& alphasBarOfAll, const std::vector<std::int64_t>& levels, double eta, config::VarType varType);

class DdimSampler : public Sampler {
public:
    DdimSampler(const Process& process, std::vector<std::int64_t> levels, double eta, bool clip = true);
    std::int64_t steps() const override { return static_cast<std::int64_t>(m_levels.size()); }
    std::int64_t levelOf(std::int64_t step) const override { return m_levels[static_cast<std::size_t>(step)]; }
    Step step(std::int64_t step, const at::Tensor& output, const at::Tensor& x, const at::Tensor& noise) const override;
    bool noisy(std::int64_t step) const override { return step > 0 && m_eta > 0; }
    const DdimTables& tables() const { return m_tables; }

private:
    Process m_process;
    std::vector<std::int64_t> m_levels;
    double m_eta;
    bool m_clip;
    DdimTables m_tables;
};

/// The sampler of a configuration. It clips only where it draws `pixels`, which lie within [-1, 1]; latents do not.
std::unique_ptr<Sampler> makeSampler(const Process& process, const config::SamplerConfig& config, bool pixels = true);

} // namespace espalier::diffusion
