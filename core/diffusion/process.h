// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/config/beta_schedule.h"
#include "core/config/diffusion_config.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace espalier::diffusion {

using Table = std::vector<double>;

using config::betaSchedule;

/// Everything that follows from the betas, computed once in float64. Levels count from 0, the least noisy.
struct ProcessTables {
    Table betas, alphasBar, alphasBarBefore;
    Table sqrtAlphasBar, sqrtOneMinusAlphasBar;
    Table sqrtRecipAlphasBar, sqrtRecipM1AlphasBar; // 1/sqrt(abar) and sqrt(1/abar - 1)
    Table posteriorVar, posteriorLogVar;            // entry 0 of the logarithm is that of entry 1
    Table posteriorMeanCoef1, posteriorMeanCoef2;   // of x_0 and of x_t
    Table logVarFixedLarge, logVarFixedSmall;
    std::int64_t levels() const { return static_cast<std::int64_t>(betas.size()); }
};
ProcessTables processTables(const Table& betas);

/// A table that tensors look values up in. It is cast to the dtype of the image first, as the published code does, and kept on
/// the device, so that a training step copies nothing.
class Lookup {
public:
    explicit Lookup(Table table) : m_table(std::move(table)) {}
    const Table& table() const { return m_table; }
    /// table[t] as [B, 1, 1, …] to go with `image`.
    at::Tensor operator()(const at::Tensor& t, const at::Tensor& image) const;

private:
    Table m_table;
    mutable at::Tensor m_onDevice; // of the last device and dtype asked for
};

/// The forward process, and what a network's output says about x_0.
class Process {
public:
    explicit Process(const config::DiffusionConfig& config);
    /// From given betas; errors are asserts: the configuration was validated.
    Process(Table betas, config::MeanType meanType, config::VarType varType);

    const ProcessTables& tables() const { return m_tables; }
    std::int64_t levels() const { return m_tables.levels(); }
    config::MeanType meanType() const { return m_meanType; }
    config::VarType varType() const { return m_varType; }
    /// Value of a table for every sample, as [B, 1, 1, …].
    at::Tensor posteriorLogVarAt(const at::Tensor& t, const at::Tensor& image) const { return m_posteriorLogVar(t, image); }

    /// The process that visits these levels alone, ascending: with the same noise at each, and betas that follow from that.
    Process respaced(std::vector<std::int64_t> levels) const;
    /// What the network calls level t: the level of the process that this one was shortened from.
    std::int64_t networkLevel(std::int64_t t) const { return m_kept.empty() ? t : m_kept[static_cast<std::size_t>(t)]; }

    /// x_t = sqrt(abar) x_0 + sqrt(1 - abar) noise
    at::Tensor noised(const at::Tensor& x0, const at::Tensor& t, const at::Tensor& noise) const;
    at::Tensor x0FromEps(const at::Tensor& xt, const at::Tensor& t, const at::Tensor& eps) const;
    at::Tensor epsFromX0(const at::Tensor& xt, const at::Tensor& t, const at::Tensor& x0) const;
    at::Tensor x0FromMean(const at::Tensor& xt, const at::Tensor& t, const at::Tensor& mean) const;
    at::Tensor posteriorMean(const at::Tensor& x0, const at::Tensor& xt, const at::Tensor& t) const;
    /// What the network should give for this pair.
    at::Tensor target(const at::Tensor& x0, const at::Tensor& xt, const at::Tensor& t, const at::Tensor& noise) const;
    /// An output with a learned variance is twice as many channels as an image: what meanType() says, and where between the logarithms of
    /// the posterior variance (-1) and of beta (1) the variance lies. `variance` is undefined where the variance is fixed.
    struct Halves {
        at::Tensor prediction, variance;
    };
    Halves halves(const at::Tensor& output) const;
    /// Clean image, and mean and logarithm of the variance of the reverse step that an output stands for.
    struct Reverse {
        at::Tensor x0, mean, logVar;
    };
    Reverse reverse(const at::Tensor& output, const at::Tensor& xt, const at::Tensor& t, bool clip) const;

private:
    ProcessTables m_tables;
    config::MeanType m_meanType;
    config::VarType m_varType;
    Lookup m_sqrtAlphasBar, m_sqrtOneMinusAlphasBar, m_sqrtRecip, m_sqrtRecipM1, m_coef1, m_coef2;
    Lookup m_posteriorLogVar;
    Lookup m_logVar;                  // of the model; the upper bound of a learned one
    std::vector<std::int64_t> m_kept; // of the process that this one was shortened from
};

} // namespace espalier::diffusion
