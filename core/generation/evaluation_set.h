// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"
#include "core/evaluation/nearest.h"
#include "core/evaluation/random_distance.h"
#include "core/generation/generator.h"
#include "core/runs/events.h"

#include <filesystem>
#include <memory>
#include <optional>

namespace espalier::generation {

/// `count` images of a set, chosen by Stream::Subset so that different lists of one set do not overlap: uint8 [n, side, side, 3] with n the
/// smaller of `count` and what the set has after `skip` images. An image that cannot be read is passed over.
Result<at::Tensor> realImages(const data::Dataset& dataset, std::int64_t skip, std::int64_t count, std::stop_token stop);

/// Draws `count` images, keeping them as <folder>/00000.png … and, with `npz`, as samples.npz (arr_0). What an earlier, interrupted call
/// has drawn with the same recipe (recipe.json beside them) is not drawn again; images of another recipe are refused.
Result<at::Tensor> drawEvaluationSet(Generator& generator, std::int64_t count, std::int64_t batch, const std::filesystem::path& folder,
                                     const Json& recipe, bool npz, const Progress& progress, std::stop_token stop);

/// Numbers that say how good a set of images is, on random features.
struct SetScore {
    evaluation::RandomDistance::Score fd;
    double floor = 0.0, ceiling = 0.0; // other real images; uniform noise
    std::int64_t images = 0;           // on each side
    std::optional<evaluation::NearestImages> nearest;
};

/// Compares image sets with the images of one data set. Reference, floor and ceiling are made once.
class SetJudge {
public:
    /// `train` gives the reference; `test` the floor (other training images when there is no test split).
    static Result<SetJudge> make(std::shared_ptr<const data::Dataset> train, std::shared_ptr<const data::Dataset> test, std::int64_t count,
                                 at::Device device, const evaluation::RandomDistance::Tick& tick, std::stop_token stop);

    /// `nearestOf`: how many training images are searched for copies; 0: none are.
    Result<SetScore> judge(const at::Tensor& images, std::int64_t nearestOf, const evaluation::RandomDistance::Tick& tick,
                           std::stop_token stop) const;
    std::int64_t count() const { return m_count; }

private:
    SetJudge(std::shared_ptr<const data::Dataset> train, evaluation::RandomDistance distance, std::int64_t count)
        : m_train(std::move(train)), m_distance(std::move(distance)), m_count(count)
    {
    }
    std::shared_ptr<const data::Dataset> m_train;
    evaluation::RandomDistance m_distance;
    std::int64_t m_count;
    double m_floor = 0.0, m_ceiling = 0.0;
};

/// The event that a score becomes, with its whole recipe ("FD-1k, EMA, DDIM-50, seed 1" and all that it rests on).
runs::Evaluated evaluatedEvent(const SetScore& score, const Generator& generator, const std::string& weights, std::int64_t step, int stage,
                               double seconds);

} // namespace espalier::generation
