// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/field.h"

#include <array>
#include <cstdint>
#include <string>

namespace espalier::config {

enum class BetaSchedule { Linear, Quad, Warmup10, Warmup50, Const, Jsd, Cosine };
template <>
struct Names<BetaSchedule> {
    static constexpr std::array<std::pair<BetaSchedule, const char*>, 7> kAll{{{BetaSchedule::Linear, "linear"},
                                                                               {BetaSchedule::Quad, "quad"},
                                                                               {BetaSchedule::Warmup10, "warmup10"},
                                                                               {BetaSchedule::Warmup50, "warmup50"},
                                                                               {BetaSchedule::Const, "const"},
                                                                               {BetaSchedule::Jsd, "jsd"},
                                                                               {BetaSchedule::Cosine, "cosine"}}};
};

/// What the network predicts (Ho et al. 2020, section 3.2; names as in tqch/ddpm-torch).
enum class MeanType { Eps, X0, Mean };
template <>
struct Names<MeanType> {
    static constexpr std::array<std::pair<MeanType, const char*>, 3> kAll{
        {{MeanType::Eps, "eps"}, {MeanType::X0, "x_0"}, {MeanType::Mean, "mean"}}};
};

/// Variance of the reverse process (learned-range: Nichol and Dhariwal 2021, section 3.1; names as in DiT's diffusion code).
enum class VarType { FixedLarge, FixedSmall, LearnedRange };
template <>
struct Names<VarType> {
    static constexpr std::array<std::pair<VarType, const char*>, 3> kAll{
        {{VarType::FixedLarge, "fixed-large"}, {VarType::FixedSmall, "fixed-small"}, {VarType::LearnedRange, "learned-range"}}};
};

enum class LossType { Mse, RescaledMse, Kl, RescaledKl };
template <>
struct Names<LossType> {
    static constexpr std::array<std::pair<LossType, const char*>, 4> kAll{
        {{LossType::Mse, "mse"}, {LossType::RescaledMse, "rescaled-mse"}, {LossType::Kl, "kl"}, {LossType::RescaledKl, "rescaled-kl"}}};
};
/// Whether it is a squared error, with the bound beside it where the variance is learned, and not the bound alone.
inline bool isSquaredError(LossType type)
{
    return type == LossType::Mse || type == LossType::RescaledMse;
}

/// Factor on the squared error of each noise level (diffusion-acceleration.md section 2).
enum class LossWeighting { None, MinSnr, P2 };
template <>
struct Names<LossWeighting> {
    static constexpr std::array<std::pair<LossWeighting, const char*>, 3> kAll{
        {{LossWeighting::None, "none"}, {LossWeighting::MinSnr, "min-snr"}, {LossWeighting::P2, "p2"}}};
};

struct DiffusionConfig { // path "diffusion"
    std::int64_t timesteps = 1000;
    BetaSchedule betaSchedule = BetaSchedule::Linear;
    double betaStart = 1e-4, betaEnd = 0.02;
    MeanType meanType = MeanType::Eps;
    VarType varType = VarType::FixedLarge;
    LossType lossType = LossType::Mse;
    LossWeighting lossWeighting = LossWeighting::None;
    double minSnrGamma = 5.0, p2K = 1.0, p2Gamma = 1.0;
    static void describe(auto& self, auto&& field)
    {
        field("timesteps", self.timesteps, "Noise levels of the forward process", {.min = 2, .max = 10000, .unit = "steps"});
        field("beta_schedule", self.betaSchedule, "How the noise grows from level to level");
        field("beta_start", self.betaStart, "Noise variance of the first level", {.min = 1e-9, .max = 1.0});
        field("beta_end", self.betaEnd, "Noise variance of the last level", {.min = 1e-9, .max = 1.0});
        field("model_mean_type", self.meanType, "What the network predicts: the noise, the clean image, or the posterior mean");
        field("model_var_type", self.varType,
              "Variance of the reverse process: beta, the posterior variance, or (learned-range) what the network predicts between them");
        field(
            "loss_type", self.lossType,
            "Squared error (with learned-range plus the variational bound, which then trains the variance alone), or the bound in bits "
            "per dimension. Rescaled as in DiT's code: the bound beside an error times timesteps / 1000, the bound alone times timesteps");
        field("loss_weighting", self.lossWeighting,
              "Factor on the squared error of each noise level: none, Min-SNR (Hang et al. 2023) or P2 (Choi et al. 2022). The loss shown "
              "is without it");
        field("min_snr_gamma", self.minSnrGamma, "Min-SNR: signal-to-noise ratio beyond which a level counts no more",
              {.min = 1e-3, .max = 1e6, .advanced = true});
        field("p2_k", self.p2K, "P2: added to the signal-to-noise ratio", {.min = 1e-3, .max = 1e6, .advanced = true});
        field("p2_gamma", self.p2Gamma, "P2: how strongly levels with little noise are held back; 0: not at all",
              {.min = 0.0, .max = 10.0, .advanced = true});
    }
};

enum class SamplerKind { Ddpm, Ddim };
template <>
struct Names<SamplerKind> {
    static constexpr std::array<std::pair<SamplerKind, const char*>, 2> kAll{{{SamplerKind::Ddpm, "ddpm"}, {SamplerKind::Ddim, "ddim"}}};
};

enum class SkipSchedule { Linear, Quadratic };
template <>
struct Names<SkipSchedule> {
    static constexpr std::array<std::pair<SkipSchedule, const char*>, 2> kAll{
        {{SkipSchedule::Linear, "linear"}, {SkipSchedule::Quadratic, "quadratic"}}};
};

/// Channels that classifier-free guidance acts on. The published DiT code guides three of its four latent channels.
enum class GuidanceChannels { All, FirstThree };
template <>
struct Names<GuidanceChannels> {
    static constexpr std::array<std::pair<GuidanceChannels, const char*>, 2> kAll{
        {{GuidanceChannels::All, "all"}, {GuidanceChannels::FirstThree, "first-three"}}};
};

/// How images are drawn from a diffusion model.
struct SamplerConfig { // paths "samples.sampler", "evaluation.sampler"
    SamplerKind kind = SamplerKind::Ddim;
    std::int64_t steps = 50;
    double eta = 0.0;
    SkipSchedule skip = SkipSchedule::Linear;
    std::string timestepRespacing;
    bool clipDenoised = true;
    double guidance = 1.0;
    GuidanceChannels guidanceChannels = GuidanceChannels::All;
    std::int64_t label = -1, stage = -1;
    static void describe(auto& self, auto&& field)
    {
        field("kind", self.kind, "Ancestral sampling (ddpm) over all levels, or DDIM over some of them", {.change = Change::AtResume});
        field("steps", self.steps, "Levels that DDIM visits", {.min = 1, .max = 10000, .unit = "steps", .change = Change::AtResume});
        field("eta", self.eta, "Noise of DDIM: 0 is deterministic, 1 is as noisy as ancestral sampling",
              {.min = 0.0, .max = 1.0, .change = Change::AtResume});
        field("skip", self.skip, "Which levels DDIM visits", {.advanced = true, .change = Change::AtResume});
        field("timestep_respacing", self.timestepRespacing,
              "Levels visited in place of those above, as ADM and DiT write them: 250 (evenly, with both ends), 10,15,20 (so many of "
              "each third), ddim50 (every 20th of 1000)",
              {.change = Change::AtResume});
        field("clip_denoised", self.clipDenoised,
              "Clip the clean image that each step predicts to [-1, 1]: right for pixels; DiT's latents go beyond",
              {.advanced = true, .change = Change::AtResume});
        field("guidance", self.guidance,
              "Classifier-free guidance: how far to go from the output without a class to the one with it; 1 is the latter alone",
              {.min = 0.0, .max = 100.0, .change = Change::AtResume});
        field("guidance_channels", self.guidanceChannels,
              "Channels that guidance acts on: all, or the first three, as the published DiT code does on its four latent channels; a "
              "learned variance is never guided",
              {.advanced = true, .change = Change::AtResume});
        field("label", self.label, "Class to draw, counted from 0; -1: all classes in turn",
              {.min = -1, .max = 999'999, .advanced = true, .change = Change::AtResume});
        field("stage", self.stage,
              "Stage that a network with a table of stages (model.num_stages) is told to act in, counted from 0; -1: the last",
              {.min = -1, .max = 63, .advanced = true, .change = Change::AtResume});
    }
};

} // namespace espalier::config
