// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"
#include "core/evaluation/classification.h"
#include "core/models/model.h"
#include "core/models/pixels.h"
#include "core/parallel/crew.h"

#include <functional>
#include <stop_token>
#include <vector>

namespace espalier::evaluation {

/// How well a classifier does on labelled images.
struct ClassifierScore {
    ClassificationCounts counts;
    double loss = 0.0;           // mean cross-entropy in nats, over the images
    std::int64_t unreadable = 0; // images that were passed over

    double top1() const { return share(counts.top1()); } // per cent
    double top5() const { return share(counts.top5()); }

private:
    double share(std::int64_t right) const
    {
        return counts.count() == 0 ? 0.0 : 100.0 * static_cast<double>(right) / static_cast<double>(counts.count());
    }
};

struct ClassifierTest {
    std::int64_t images = 0;           // 0: all; fewer are chosen by Stream::Subset
    std::int64_t batch = 128;          // a piece of the crew's work
    int threads = 2;                   // that decode
    std::vector<std::int64_t> classes; // which class of the network each label is; empty: the same
    std::function<void(double)> share; // called with the share done
};

/// A network that is shown labelled images on its device: what one rank does of a test. What is named here must outlive it.
struct ClassifierOnImages {
    models::Model& model;
    const models::PixelReader& pixels;
    const data::Dataset& images;
};

/// Makes of places in the order of the test [n] a row each, double [n, 4]: class (-1: the image cannot be read), best scored class, classes
/// before its own, cross-entropy. The batch that this rank of `ranks` is likely to be asked for next is decoded meanwhile.
parallel::Crew::Work classifierWork(const ClassifierOnImages& what, const ClassifierTest& options, int ranks, std::stop_token stop);

/// Rank 0: the whole test, for which the other ranks are asked with `ask`.
Result<ClassifierScore> testClassifier(const ClassifierOnImages& what, const ClassifierTest& options, parallel::Crew& crew, const Json& ask,
                                       std::stop_token stop);

} // namespace espalier::evaluation
