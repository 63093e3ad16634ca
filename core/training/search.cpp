// SPDX-License-Identifier: Apache-2.0
#include "core/training/search.h"

#include "core/base/philox.h"
#include "core/diffusion/objective.h"
#include "core/growth/freeze.h"
#include "core/growth/proxies.h"
#include "core/models/registry.h"
#include "core/plan/forecast.h"
#include "core/plan/search_cost.h"
#include "core/plan/stage_config.h"
#include "core/training/batch_upload.h"
#include "core/training/precision.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace espalier::training {
namespace {

const Error kLeft{ErrorCode::Cancelled, "The search was left."};

/// Batches of training images as they are: nothing is augmented, and labels are hard.
class SearchImages {
public:
    SearchImages(const SearchParts& parts, const SearchData& data, std::int64_t batch)
        : m_data(data), m_config(unaugmented(data.config)), m_batch(std::min(batch, data.images->size())), m_device(parts.device),
          m_upload(models::imageShape(m_config), config::classesOf(m_config.model), m_config, m_batch, parts.device, 1)
    {
        m_labels.resize(static_cast<std::size_t>(m_batch));
        if (data.latents)
            m_latents.resize(static_cast<std::size_t>(m_batch * data.latents->layout().values()));
        else
            m_pixels.resize(static_cast<std::size_t>(m_batch) * data.images->imageBytes());
    }

    /// Batch number `number`, and draws for it that no other number has.
    Result<std::pair<tensors::Batch, tensors::Draws>> batch(std::uint64_t number)
    {
        for (std::int64_t i = 0; i < m_batch; ++i)
            if (auto read = readImage(number, i); !read)
                return read.error();
        data::HostBatch host;
        host.images = m_pixels;
        host.latents = m_latents;
        host.labels = m_labels;
        auto draws = tensors::Draws::at(static_cast<std::uint64_t>(m_config.seed), static_cast<std::int64_t>(number), 0, m_batch, m_device);
        m_upload.freeOldest();
        auto batch = m_upload(host, draws);
        batch.x = batch.x.clone(); // what the upload gives is written again by its next call
        batch.labels = batch.labels.clone();
        return std::pair(batch, draws);
    }

private:
    static config::RunConfig unaugmented(config::RunConfig config)
    {
        config.data.augment = {};
        return config;
    }

    // Another image in the place of one that cannot be read: the search goes on.
    Result<Done> readImage(std::uint64_t number, std::int64_t place)
    {
        constexpr std::uint32_t kTries = 100;
        const auto slot = static_cast<std::size_t>(place);
        Result<Done> read = Done{};
        for (std::uint32_t attempt = 0; attempt < kTries; ++attempt) {
            const auto words =
                drawBlock(static_cast<std::uint64_t>(m_config.seed), Stream::Search, number, static_cast<std::uint64_t>(place), attempt, 1);
            const auto index =
                static_cast<std::int64_t>(integerBelow(words.word[0], words.word[1], static_cast<std::uint64_t>(m_data.images->size())));
            if (m_data.latents) {
                const auto values = static_cast<std::size_t>(m_data.latents->layout().values());
                read = m_data.latents->readLatents(index, false, std::span(m_latents).subspan(slot * values, values), m_labels[slot]);
            } else {
                const auto bytes = m_data.images->imageBytes();
                read = m_data.images->read(index, std::span(m_pixels).subspan(slot * bytes, bytes), m_labels[slot]);
            }
            if (read)
                return read;
        }
        return read;
    }

    const SearchData& m_data;
    const config::RunConfig m_config;
    const std::int64_t m_batch;
    const at::Device m_device;
    BatchUpload m_upload;
    std::vector<std::uint8_t> m_pixels;
    std::vector<float> m_latents;
    std::vector<std::int32_t> m_labels;
};

/// Puts the fastest average in the place of the weights until it goes.
class FastAverage {
public:
    explicit FastAverage(tensors::TrainState& state) : m_state(state)
    {
        const auto fastest = std::min_element(state.emaDecays.begin(), state.emaDecays.end());
        if (fastest == state.emaDecays.end())
            return;
        const at::NoGradGuard noGrad;
        for (auto& slot : state.slots) {
            m_own.push_back(slot.value.detach().clone());
            slot.value.detach().copy_(slot.ema[static_cast<std::size_t>(fastest - state.emaDecays.begin())]);
        }
    }
    ~FastAverage()
    {
        const at::NoGradGuard noGrad;
        for (std::size_t i = 0; i < m_own.size(); ++i)
            m_state.slots[i].value.detach().copy_(m_own[i]);
    }
    FastAverage(const FastAverage&) = delete;
    FastAverage& operator=(const FastAverage&) = delete;

private:
    tensors::TrainState& m_state;
    std::vector<at::Tensor> m_own;
};

/// Trains what a candidate trains until it goes.
class Unfrozen {
public:
    Unfrozen(tensors::TrainState& state, const shapes::ModelShape& shape, const plan::Candidate& candidate) : m_state(state)
    {
        for (const auto& slot : state.slots)
            m_flags.push_back(slot.value.requires_grad());
        growth::setGradients(state, shape, candidate.trainable);
    }
    ~Unfrozen()
    {
        for (std::size_t i = 0; i < m_flags.size(); ++i)
            m_state.slots[i].value.requires_grad_(m_flags[i]);
    }
    Unfrozen(const Unfrozen&) = delete;
    Unfrozen& operator=(const Unfrozen&) = delete;

private:
    tensors::TrainState& m_state;
    std::vector<bool> m_flags;
};

/// Evaluation mode until it goes.
class Evaluating {
public:
    explicit Evaluating(models::Model& model) : m_model(model) { m_model.eval(); }
    ~Evaluating() { m_model.train(); }
    Evaluating(const Evaluating&) = delete;
    Evaluating& operator=(const Evaluating&) = delete;

private:
    models::Model& m_model;
};

void waitFor(at::Device device)
{
    if (device.is_cpu())
        return;
    c10::Event reached(device.type());
    reached.record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
    reached.synchronize();
}

/// Seconds of one forward and backward pass, whose gradients are thrown away.
double secondsOf(const SearchParts& parts, const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws)
{
    auto& trainee = parts.trainee;
    waitFor(parts.device);
    const auto began = std::chrono::steady_clock::now();
    at::Tensor loss;
    {
        const PrecisionScope precision(parts.config.training.precision, parts.device.type());
        loss = (*trainee.objective)(*trainee.model, batch, path, draws).loss;
    }
    loss.backward();
    waitFor(parts.device);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    for (auto& slot : trainee.state.slots)
        slot.value.mutable_grad() = at::Tensor();
    return seconds;
}

double medianOf(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    const auto half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

/// The images that a tangent kernel is made on, with their levels: clean ones, as published, or noised ones.
tensors::Batch kernelBatch(const SearchParts& parts, tensors::Batch batch, const tensors::Draws& draws)
{
    const auto* diffusion = dynamic_cast<const diffusion::DiffusionObjective*>(parts.trainee.objective.get());
    if (!diffusion)
        return batch;
    batch.t = draws.timesteps(parts.config.diffusion.timesteps);
    if (parts.config.search.ntkInput == config::NtkInput::Noised)
        batch.x = diffusion->process().noised(batch.x, batch.t, draws.normal(Stream::Noise, batch.x.sizes().slice(1)));
    return batch;
}

} // namespace

Result<SearchTable> probeLosses(SearchParts& parts, bool timed)
{
    auto& [model, objective, state] = parts.trainee;
    const auto& search = parts.config.search;
    const auto count = parts.stage.window.size();
    std::map<std::int64_t, SearchImages> images; // by side
    for (const auto& [side, data] : parts.data)
        images.try_emplace(side, parts, data, plan::searchBatch(parts.stage, search, data.images->size()));
    const FastAverage average(state);
    const Evaluating mode(*model);
    std::vector<double> losses(count, 0.0);
    std::vector<std::vector<double>> seconds(count);
    for (std::int64_t number = 0; number < search.batches; ++number) {
        std::map<std::int64_t, std::pair<tensors::Batch, tensors::Draws>> batches;
        for (auto& [side, ofSide] : images) {
            auto batch = ofSide.batch(static_cast<std::uint64_t>(number));
            if (!batch)
                return batch.error();
            batches.emplace(side, *std::move(batch));
        }
        for (std::size_t i = 0; i < count; ++i) {
            if (!parts.goOn(static_cast<double>(number) / static_cast<double>(search.batches)))
                return kLeft;
            const auto& candidate = parts.stage.window[i];
            const auto own = batches.find(plan::sideOf(parts.stage, candidate));
            const auto& [batch, draws] = own == batches.end() ? batches.begin()->second : own->second;
            const auto size = static_cast<double>(batch.x.size(0));
            const tensors::Path path{candidate.keepBlock, parts.stage.sid};
            const auto seen = ofSide(batch, candidate.side);
            {
                const at::NoGradGuard noGrad;
                const PrecisionScope precision(parts.config.training.precision, parts.device.type());
                losses[i] += (*objective)(*model, seen, path, draws).perSample.mean().template item<double>();
            }
            parts.flops += size * plan::forwardCostOf(parts.stage, candidate);
            const int passes = !timed || parts.analytic ? 0 : number > 0 ? 1 : search.batches == 1 ? 2 : 0; // the first warms up
            for (int pass = 0; pass < passes; ++pass) {
                const double taken = secondsOf(parts, seen, path, draws);
                parts.flops += size * plan::costOf(parts.stage, candidate);
                if (pass + 1 == passes)
                    seconds[i].push_back(taken);
            }
        }
    }
    SearchTable table;
    for (std::size_t i = 0; i < count; ++i)
        table.push_back({losses[i] / static_cast<double>(search.batches), !timed           ? 0.0
                                                                          : parts.analytic ? parts.analytic(parts.stage.window[i])
                                                                                           : medianOf(seconds[i])});
    return table;
}

Result<SearchTable> zeroShotScores(SearchParts& parts, std::uint64_t round)
{
    auto& [model, objective, state] = parts.trainee;
    const auto count = static_cast<double>(parts.stage.window.size());
    SearchTable table;
    for (const auto& candidate : parts.stage.window) {
        const auto& data = parts.data.at(plan::sideOf(parts.stage, candidate));
        const auto batchSize = plan::searchBatch(parts.stage, parts.config.search, data.images->size());
        const auto size = static_cast<double>(batchSize);
        const double pass = size * plan::costOf(parts.stage, candidate); // forward and backward
        SearchImages images(parts, data, batchSize);
        const Unfrozen trained(state, parts.stage.shape, candidate);
        const tensors::Path path{candidate.keepBlock, parts.stage.sid};
        std::vector<tensors::Batch> batches;
        std::vector<tensors::Draws> draws;
        for (std::int64_t i = 0; i < plan::kKernelBatches + plan::kZicoBatches; ++i) {
            auto batch =
                images.batch(round * static_cast<std::uint64_t>(plan::kKernelBatches + plan::kZicoBatches) + static_cast<std::uint64_t>(i));
            if (!batch)
                return batch.error();
            batches.push_back(batch->first);
            draws.push_back(batch->second);
        }
        const auto goOn = [&](double share) { return parts.goOn((static_cast<double>(table.size()) + share) / count); };
        double kernel = 0.0;
        for (std::size_t i = 0; i < plan::kKernelBatches; ++i) {
            if (!goOn(0.3 * static_cast<double>(i)))
                return kLeft;
            kernel += growth::ntkScore(*model, kernelBatch(parts, batches[i], draws[i]), path, draws[i]) / plan::kKernelBatches;
            parts.flops += size * plan::kernelCostOf(parts.stage, candidate, batchSize);
        }
        if (!goOn(0.6))
            return kLeft;
        constexpr auto kFirst = static_cast<std::size_t>(plan::kKernelBatches);
        const double zico =
            growth::zicoScore(*model, *objective, std::span(batches).subspan(kFirst), path, std::span(draws).subspan(kFirst));
        parts.flops += plan::kZicoBatches * pass;
        std::vector<double> seconds;
        for (std::int64_t i = 0; !parts.analytic && i <= plan::kTimings; ++i) {
            if (!goOn(0.7))
                return kLeft;
            const double taken = secondsOf(parts, batches[kFirst], path, draws[kFirst]);
            parts.flops += pass;
            if (i > 0) // the first warms up
                seconds.push_back(taken);
        }
        table.push_back({kernel, zico, parts.analytic ? parts.analytic(candidate) : medianOf(seconds)});
    }
    return table;
}

} // namespace espalier::training
