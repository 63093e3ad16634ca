// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/classifier_test.h"

#include "core/data/order.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>
#include <vector>

namespace espalier::evaluation {
namespace {

/// Images in the order of a test, decoded by several threads. What cannot be read has a label of -1.
struct Decoded {
    at::Tensor bytes;  // uint8 [n, side, side, 3]
    at::Tensor labels; // int64 [n]
};

Decoded decode(const data::Dataset& images, const data::Permutation& order, std::int64_t first, std::int64_t count, int threads)
{
    Decoded into{at::zeros({count, images.side(), images.side(), 3}, at::kByte), at::full({count}, -1, at::kLong)};
    std::atomic<std::int64_t> next = 0;
    const auto work = [&] {
        for (std::int64_t i = next++; i < count; i = next++) {
            const std::span pixels{into.bytes.data_ptr<std::uint8_t>() + i * static_cast<std::int64_t>(images.imageBytes()),
                                   images.imageBytes()};
            std::int32_t label = -1;
            if (images.read(order(first + i), pixels, label))
                into.labels.data_ptr<std::int64_t>()[i] = label;
        }
    };
    std::vector<std::jthread> helpers;
    for (int i = 1; i < threads; ++i)
        helpers.emplace_back(work);
    work();
    return into;
}

} // namespace

Result<ClassifierScore> testClassifier(models::Model& model, const models::PixelReader& pixels, const data::Dataset& images,
                                       const ClassifierTest& options, std::stop_token stop)
{
    const c10::InferenceMode inference;
    const auto device = model.parameters().front().device();
    const auto count = options.images > 0 ? std::min(options.images, images.size()) : images.size();
    const data::Permutation order(0, Stream::Subset, 0, images.size());
    const auto ahead = [&](std::int64_t first) {
        return std::async(std::launch::async, decode, std::cref(images), std::cref(order), first, std::min(options.batch, count - first),
                          options.threads);
    };
    ClassifierScore score{ClassificationCounts(model.classes())};
    double loss = 0.0;
    model.eval();
    auto coming = ahead(0);
    for (std::int64_t first = 0; first < count; first += options.batch) {
        const auto batch = coming.get();
        if (first + options.batch < count)
            coming = ahead(first + options.batch);
        if (stop.stop_requested())
            return Error{ErrorCode::Cancelled, "The evaluation was stopped before its numbers were there."};
        const auto readable = batch.labels >= 0;
        const auto bytes = batch.bytes.index({readable});
        auto labels = batch.labels.index({readable});
        score.unreadable += batch.labels.size(0) - labels.size(0);
        if (labels.size(0) > 0) {
            if (!options.classes.empty())
                labels = at::tensor(options.classes, at::kLong).index({labels});
            if (labels.max().item<std::int64_t>() >= model.classes())
                return Error{ErrorCode::Usage, fmt::format("The network tells {} classes apart, and there are more in {}.", model.classes(),
                                                           images.description())};
            auto seen = at::empty({labels.size(0), 3, bytes.size(1), bytes.size(2)}, at::TensorOptions(device).dtype(at::kFloat));
            pixels.read(bytes.to(device), seen);
            const auto scores = model.forward({.x = seen, .t = {}, .labels = {}, .targets = {}}, {}, {}).to(at::kFloat);
            const auto there = labels.to(device);
            score.counts.add(scores, there);
            loss += at::log_softmax(scores, 1).gather(1, there.unsqueeze(1)).to(at::kDouble).sum().item<double>();
        }
        if (options.share)
            options.share(static_cast<double>(std::min(count, first + options.batch)) / static_cast<double>(count));
    }
    score.loss = score.counts.count() == 0 ? 0.0 : -loss / static_cast<double>(score.counts.count());
    return score;
}

} // namespace espalier::evaluation
