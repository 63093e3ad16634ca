// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"
#include "core/evaluation/classification.h"
#include "core/models/model.h"
#include "core/models/pixels.h"

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
    std::int64_t images = 0; // 0: all; fewer are chosen by Stream::Subset
    std::int64_t batch = 128;
    int threads = 2;                    // that decode
    std::vector<std::int64_t> classes;  // which class of the network each label is; empty: the same
    std::function<void(double)> share;  // called with the share done
};

/// Shows images to a network in evaluation mode, on its device. The next batch is decoded meanwhile.
Result<ClassifierScore> testClassifier(models::Model& model, const models::PixelReader& pixels, const data::Dataset& images,
                                       const ClassifierTest& options, std::stop_token stop);

} // namespace espalier::evaluation
