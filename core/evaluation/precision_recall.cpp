// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/precision_recall.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

namespace espalier::evaluation {
namespace {

constexpr std::int64_t kRows = 1024, kColumns = 8192; // 64 MB of distances at a time

/// Points with their squared lengths, cut into blocks.
class Points {
public:
    explicit Points(const at::Tensor& features) : m_features(features), m_squares(features.square().sum(1)) {}

    std::int64_t count() const { return m_features.size(0); }
    Points part(std::int64_t from, std::int64_t most) const
    {
        const auto n = std::min(most, count() - from);
        return {m_features.narrow(0, from, n), m_squares.narrow(0, from, n)};
    }
    /// Squared distances [n, m].
    at::Tensor to(const Points& other) const
    {
        return (m_squares.unsqueeze(1) - 2.0 * m_features.matmul(other.m_features.t()) + other.m_squares.unsqueeze(0)).clamp_min_(0.0);
    }

private:
    Points(at::Tensor features, at::Tensor squares) : m_features(std::move(features)), m_squares(std::move(squares)) {}
    at::Tensor m_features, m_squares;
};

struct Walk {
    const std::function<void()>& tick;
    std::stop_token stop;

    /// Calls body(first row, rows) block by block; false when stopped.
    template <class Body>
    bool over(const Points& points, std::int64_t most, const Body& body) const
    {
        for (std::int64_t from = 0; from < points.count(); from += most) {
            if (stop.stop_requested())
                return false;
            if (tick)
                tick();
            body(from, points.part(from, most));
        }
        return true;
    }
};

/// Squared distance of every point to its k-th nearest neighbour: index k of the sorted distances, itself included.
bool radii(const Points& points, std::int64_t k, const Walk& walk, at::Tensor& into)
{
    std::vector<at::Tensor> all;
    const bool whole = walk.over(points, kRows, [&](std::int64_t, const Points& rows) {
        at::Tensor nearest; // [rows, k + 1]
        for (std::int64_t from = 0; from < points.count(); from += kColumns) {
            const auto block = rows.to(points.part(from, kColumns));
            const auto candidates = nearest.defined() ? at::cat({nearest, block}, 1) : block;
            nearest = std::get<0>(candidates.topk(std::min(k + 1, candidates.size(1)), 1, /*largest=*/false, /*sorted=*/true));
        }
        all.push_back(nearest.select(1, k));
    });
    if (whole)
        into = at::cat(all);
    return whole;
}

} // namespace

Result<PrecisionRecall> precisionRecall(const at::Tensor& reference, const at::Tensor& samples, std::int64_t k,
                                        const std::function<void()>& tick, std::stop_token stop)
{
    for (const auto& [name, set] : {std::pair{"reference", &reference}, std::pair{"samples", &samples}})
        if (set->size(0) <= k)
            return Error{ErrorCode::Usage,
                         fmt::format("Precision and recall with {} neighbours need at least {} images on each side; {} has {}.", k, k + 1,
                                     name, set->size(0)),
                         {}};
    const c10::InferenceMode inference;
    const Points real(reference.to(at::kDouble)), drawn(samples.to(reference.device(), at::kDouble));
    const Walk walk{tick, stop};
    const Error cancelled{ErrorCode::Cancelled, "The evaluation was stopped before its numbers were there.", {}};
    at::Tensor realRadii, drawnRadii;
    if (!radii(real, k, walk, realRadii) || !radii(drawn, k, walk, drawnRadii))
        return cancelled;

    auto sampleInside = at::zeros({drawn.count()}, realRadii.options().dtype(at::kBool));
    auto referenceInside = at::zeros({real.count()}, sampleInside.options()), covered = at::zeros_like(referenceInside);
    double incidences = 0.0;
    const bool whole = walk.over(real, kRows, [&](std::int64_t row, const Points& rows) {
        const auto ball = realRadii.narrow(0, row, rows.count()).unsqueeze(1);
        for (std::int64_t column = 0; column < drawn.count(); column += kColumns) {
            const auto columns = drawn.part(column, kColumns);
            const auto distance = rows.to(columns); // [references, samples]
            sampleInside.narrow(0, column, columns.count()).logical_or_((distance <= ball).any(0));
            referenceInside.narrow(0, row, rows.count())
                .logical_or_((distance <= drawnRadii.narrow(0, column, columns.count()).unsqueeze(0)).any(1));
            const auto strictly = distance < ball;
            covered.narrow(0, row, rows.count()).logical_or_(strictly.any(1));
            incidences += static_cast<double>(strictly.sum().item<std::int64_t>());
        }
    });
    if (!whole)
        return cancelled;
    const auto share = [](const at::Tensor& flags) { return flags.to(at::kDouble).mean().item<double>(); };
    return PrecisionRecall{.precision = share(sampleInside),
                           .recall = share(referenceInside),
                           .density = incidences / (static_cast<double>(k) * static_cast<double>(drawn.count())),
                           .coverage = share(covered)};
}

} // namespace espalier::evaluation
