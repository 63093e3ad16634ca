// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/chain.h"

#include <cstdint>
#include <variant>
#include <vector>

namespace espalier::plan {

/// AutoProg-One: depth and side grow. Every stage but the last begins with a supernet of all its candidates that trains for a short while;
/// the one that is chosen is taken out of it. Without searches both grow evenly, and so does what has yet to be searched.
///
/// What differs from the released code on purpose (progressive-learning.md, section 6): candidates are measured in evaluation mode on the
/// same images, the blocks that were measured are the ones that are taken out, a stage without a choice trains on without skipping steps,
/// and the first supernet begins with blocks of their own instead of copies.
///
/// A U-Net cannot skip its levels: its candidates differ in their sides alone, and its blocks grow evenly.
class AutoProgStrategy final : public ChainStrategy {
public:
    AutoProgStrategy(const config::RunConfig& config, const config::AutoProgSchedule& schedule, DataFacts data);

private:
    struct Size {
        std::int64_t side = 0, depth = 0;
        bool operator==(const Size&) const = default;
    };
    struct Window {
        std::vector<std::int64_t> sides, depths;
    };
    Result<std::vector<Stage>> stages() const override;
    const char* kind() const override { return "autoprog"; }
    std::vector<Request> searches(const Stage& stage) const override;
    void decide(Plan& plan, const Stage& stage) const override;
    std::vector<std::int64_t> choices() const override { return m_sides; }

    bool skipsBlocks() const { return !std::holds_alternative<config::UNetConfig>(m_config.model); }
    std::string nameOf(const Size& size) const;
    Window windowOf(std::int64_t stage, const Size& current) const;
    /// Stages from `first` on, when the one before ended with `current`; the searched ones as if they grew evenly.
    std::vector<Stage> from(std::int64_t first, Size current, const std::vector<Length>& lengths) const;
    Stage supernet(std::int64_t index, const Size& current, const Window& window) const;
    Stage sized(std::int64_t index, const Size& size) const;
    void follow(Stage& stage, std::int64_t index, std::int64_t depthBefore) const;

    const config::AutoProgSchedule m_schedule;
    std::vector<std::int64_t> m_sides, m_depths; // of an even growth, a value for each stage
};

} // namespace espalier::plan
