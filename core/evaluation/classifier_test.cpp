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

std::int64_t countOf(const data::Dataset& images, const ClassifierTest& options)
{
    return options.images > 0 ? std::min(options.images, images.size()) : images.size();
}

/// Decodes a batch ahead.
class Ahead {
public:
    Ahead(const data::Dataset& images, const ClassifierTest& options, int ranks)
        : m_images(images), m_order(0, Stream::Subset, 0, images.size()), m_count(countOf(images, options)),
          m_stride(options.batch * ranks), m_batch(options.batch), m_threads(options.threads)
    {
    }

    Decoded take(std::int64_t first, std::int64_t count)
    {
        auto now = m_coming.valid() && m_first == first ? m_coming.get() : decode(m_images, m_order, first, count, m_threads);
        m_first = first + m_stride;
        m_coming = {};
        if (m_first < m_count)
            m_coming = std::async(std::launch::async, decode, std::cref(m_images), std::cref(m_order), m_first,
                                  std::min(m_batch, m_count - m_first), m_threads);
        return now;
    }

private:
    const data::Dataset& m_images;
    const data::Permutation m_order;
    const std::int64_t m_count, m_stride, m_batch;
    const int m_threads;
    std::int64_t m_first = -1;
    std::future<Decoded> m_coming; // last: waits before the rest goes
};

} // namespace

parallel::Crew::Work classifierWork(const ClassifierOnImages& what, const ClassifierTest& options, int ranks, std::stop_token stop)
{
    what.model.eval();
    const auto ahead = std::make_shared<Ahead>(what.images, options, ranks);
    return [=, classes = options.classes](const at::Tensor& places) -> Result<at::Tensor> {
        const c10::InferenceMode inference;
        if (stop.stop_requested())
            return Error{ErrorCode::Cancelled, "The evaluation was stopped before its numbers were there."};
        const auto batch = ahead->take(places[0].item<std::int64_t>(), places.size(0));
        auto rows = at::full({places.size(0), 4}, -1.0, at::kDouble);
        const auto readable = batch.labels >= 0;
        const auto bytes = batch.bytes.index({readable});
        auto labels = batch.labels.index({readable});
        if (labels.size(0) == 0)
            return rows;
        if (!classes.empty())
            labels = at::tensor(classes, at::kLong).index({labels});
        if (labels.max().item<std::int64_t>() >= what.model.classes())
            return Error{ErrorCode::Usage, fmt::format("The network tells {} classes apart, and there are more in {}.",
                                                       what.model.classes(), what.images.description())};
        const auto device = what.model.parameters().front().device();
        auto seen = at::empty({labels.size(0), 3, bytes.size(1), bytes.size(2)}, at::TensorOptions(device).dtype(at::kFloat));
        what.pixels.read(bytes.to(device), seen);
        const auto scores = what.model.forward({.x = seen, .t = {}, .labels = {}, .targets = {}}, {}, {}).to(at::kFloat);
        const auto there = labels.to(device);
        const auto losses = at::log_softmax(scores, 1).gather(1, there.unsqueeze(1)).neg().to(at::kDouble).cpu();
        rows.index_put_({readable}, at::cat({ClassificationCounts::outcomesOf(scores, there).to(at::kDouble), losses}, 1));
        return rows;
    };
}

Result<ClassifierScore> testClassifier(const ClassifierOnImages& what, const ClassifierTest& options, parallel::Crew& crew, const Json& ask,
                                       std::stop_token stop)
{
    const c10::InferenceMode inference;
    const auto count = countOf(what.images, options);
    ClassifierScore score{ClassificationCounts(what.model.classes())};
    double loss = 0.0;
    const auto done = crew.map(ask, at::arange(count, at::kLong), options.batch, classifierWork(what, options, crew.size(), stop),
                               [&](std::int64_t first, const at::Tensor& rows) -> Result<Done> {
                                   const auto read = rows.index({rows.select(1, 0) >= 0});
                                   score.unreadable += rows.size(0) - read.size(0);
                                   score.counts.add(read.narrow(1, 0, 3).to(at::kLong));
                                   loss += read.select(1, 3).sum().item<double>();
                                   if (options.share)
                                       options.share(static_cast<double>(first + rows.size(0)) / static_cast<double>(count));
                                   return Done{};
                               });
    if (!done)
        return done.error();
    score.loss = score.counts.count() == 0 ? 0.0 : loss / static_cast<double>(score.counts.count());
    return score;
}

} // namespace espalier::evaluation
