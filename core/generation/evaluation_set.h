// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"
#include "core/evaluation/inception_file.h"
#include "core/evaluation/nearest.h"
#include "core/evaluation/random_distance.h"
#include "core/generation/generator.h"
#include "core/generation/grid.h"
#include "core/parallel/crew.h"
#include "core/runs/events.h"

#include <functional>
#include <memory>
#include <optional>

namespace espalier::generation {

/// `count` images of a set, chosen by Stream::Subset so that different lists of one set do not overlap: uint8 [n, side, side, 3] with n the
/// smaller of `count` and what the set has after `skip` images. An image that cannot be read is passed over.
Result<at::Tensor> realImages(const data::Dataset& dataset, std::int64_t skip, std::int64_t count, std::stop_token stop);

/// Draws `count` images with the crew, keeping each in its file and, with `npz`, all as samples.npz (arr_0). What an earlier, interrupted
/// call has drawn with the same recipe (recipe.json beside them) is not drawn again; images of another recipe are refused.
Result<at::Tensor> drawEvaluationSet(Generator& generator, std::int64_t count, const ImageFiles& files, const Json& recipe, bool npz,
                                     parallel::Crew& crew, const Progress& progress, std::stop_token stop);

/// A distance between two sets of images.
struct SetDistance {
    double value = 0.0;
    std::optional<double> spread; // over the networks of fd
};

/// Numbers that say how good a set of images is.
struct SetScore {
    std::string metric = "fd"; // or "fid" …: what `distance` is
    SetDistance distance;
    std::optional<double> floor, ceiling; // other real images; uniform noise
    std::int64_t images = 0;
    std::optional<evaluation::NearestImages> nearest;
    Json about = Json::object(); // for the recipe: what made the features
    Json extra = Json::object(); // other numbers of the same evaluation
};
/// The `about` of scores on random features, and on those of the Inception network.
Json aboutRandomFeatures();
Json aboutInception(const evaluation::InceptionFile& inception);

/// Compares image sets with the images of one data set, by FD or, where the Inception network is given, by FID. Reference and floor are
/// made once; so is the ceiling, which only FD has.
class SetJudge {
public:
    using Tick = std::function<void()>;
    /// `train` gives the reference; `test` the floor (other training images when there is no test split).
    static Result<SetJudge> make(std::shared_ptr<const data::Dataset> train, std::shared_ptr<const data::Dataset> test, std::int64_t count,
                                 at::Device device, const std::optional<evaluation::InceptionFile>& inception, parallel::Crew& crew,
                                 const Tick& tick, std::stop_token stop);

    /// `nearestOf`: how many training images are searched for copies; 0: none are.
    Result<SetScore> judge(const at::Tensor& images, std::int64_t nearestOf, parallel::Crew& crew, const Tick& tick,
                           std::stop_token stop) const;
    std::int64_t count() const { return m_count; }

private:
    using Distance = std::function<Result<SetDistance>(const at::Tensor&, parallel::Crew&, const Tick&, std::stop_token)>;
    SetJudge(std::shared_ptr<const data::Dataset> train, std::int64_t count) : m_train(std::move(train)), m_count(count) {}
    static Result<Distance> randomDistance(const at::Tensor& real, at::Device device, parallel::Crew& crew, const Tick& tick);
    static Result<Distance> inceptionDistance(const at::Tensor& real, const evaluation::InceptionFile& inception, parallel::Crew& crew,
                                              const Tick& tick, std::stop_token stop);

    std::shared_ptr<const data::Dataset> m_train;
    std::int64_t m_count;
    Distance m_distance;
    SetScore m_blank; // what is the same for all scores
};

/// The event that a score becomes, with its whole recipe ("FD-1k, EMA, DDIM-50, seed 1" and all that it rests on).
runs::Evaluated evaluatedEvent(const SetScore& score, const Generator& generator, const std::string& weights, std::int64_t step, int stage,
                               double seconds);

} // namespace espalier::generation
