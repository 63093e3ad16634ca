// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/loader.h"
#include "core/models/objective.h"
#include "core/parallel/gradient_reducer.h"
#include "core/parallel/pace.h"
#include "core/tensors/state.h"
#include "core/training/batch_upload.h"
#include "core/training/loss_scale.h"
#include "core/training/optimizer.h"
#include "core/training/report_sums.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace espalier::training {

/// One optimizer step on one rank: micro-batches forward and backward, gradients averaged over ranks, clipped, guarded, applied, averaged
/// into the EMAs. Nothing here waits for the device, reads a number back, or depends on values of the data; inputs, learning rate, step and
/// EMA weight are device tensors, so the body can be captured as a CUDA graph.
class TrainStep {
public:
    struct Parts {
        models::Model& model;
        models::Objective& objective;
        tensors::TrainState& state;
        std::shared_ptr<parallel::ProcessGroup> group;
        data::Share share;
        at::Device device;
        int batchesHeld = 1;                 // batches of the loader that stay untouched: uploads may still read so many
        std::vector<std::int64_t> kept = {}; // shape of what frozen blocks gave for an image, where the loader gives that; empty: images
    };
    TrainStep(Parts parts, const config::RunConfig& config);

    /// Call before a batch is taken from the loader: returns once the device has read the one whose memory comes back.
    void freeOldestBatch() { m_upload.freeOldest(); }
    /// Begins optimizer step state.counters.step at this learning rate. `path`: what of the network runs. `side`: of what it sees, when not
    /// that of the images (0).
    void begin(double learningRate, tensors::Path path = {}, std::int64_t side = 0);
    /// Forward and backward of one micro-batch; the last of a step also starts the all-reduce.
    void accumulate(const data::HostBatch& batch);
    /// Reduces, clips, guards, steps, averages. Adds to the report and to the counters of steps and images.
    void finish();

    ReportSums& report() { return m_report; }
    /// How long this rank's own share of steps takes.
    parallel::OwnTime& ownTime() { return m_ownTime; }
    /// With fp16; else null.
    LossScale* lossScale() { return m_lossScale ? &*m_lossScale : nullptr; }

private:
    at::Tensor gradientNorm() const;
    /// What gradients are divided by on their way into the weights; nothing: by 1.
    std::optional<at::Tensor> gradientScale(const at::Tensor& norm) const;

    models::Model& m_model;
    models::Objective& m_objective;
    tensors::TrainState& m_state;
    data::Share m_share;
    at::Device m_device;
    const config::TrainingConfig m_training;
    const std::uint64_t m_seed;
    parallel::GradientReducer m_reducer;
    const int m_world;
    BatchUpload m_upload;
    Optimizer m_optimizer;
    ReportSums m_report;
    parallel::OwnTime m_ownTime;
    std::optional<LossScale> m_lossScale;
    at::Tensor m_stepNumber, m_slots, m_slotBase; // int64 [], [b], [b]
    at::Tensor m_learningRate, m_found;           // float []
    at::Tensor m_loss;                            // float [1]: sum over the micro-batches of this step
    tensors::Path m_path;
    std::int64_t m_side = 0;
    std::vector<tensors::Slot*> m_moving;
};

} // namespace espalier::training
