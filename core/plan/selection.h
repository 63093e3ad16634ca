// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace espalier::plan {

/// What AutoProg chooses by: loss times time^w, where w = max(-a1, 0) of a2 time^a1 fitted to (time, loss) by least squares.
struct PowerLawChoice {
    double exponent = 0.0; // w
    std::vector<double> scores;
    std::size_t chosen = 0;
};
/// One mean loss and one time for each candidate; a single one is chosen as it is.
PowerLawChoice choosePowerLaw(const std::vector<double>& losses, const std::vector<double>& times);

/// What AutoProg-Zero chooses by: the smallest weighted sum of ranks; ties go to the faster.
struct RankVote {
    std::vector<std::array<double, 3>> ranks; // of each candidate: time, NTK, ZiCo
    std::vector<double> totals;
    std::size_t chosen = 0;
};
struct VoteWeights {
    double time = 1.0, ntk = 0.5, zico = 0.5;
};
/// Seconds: less is better. Scores of NTK (minus the condition number) and ZiCo: more is better; what is not finite is worst.
RankVote vote(const std::vector<double>& seconds, const std::vector<double>& ntk, const std::vector<double>& zico,
              const VoteWeights& weights);

} // namespace espalier::plan
