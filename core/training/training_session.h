// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/dataset.h"
#include "core/data/latent_set.h"
#include "core/generation/latent_codec.h"
#include "core/models/objective.h"
#include "core/plan/strategy.h"
#include "core/runs/run_folder.h"
#include "core/runs/worker_link.h"
#include "core/tensors/state.h"
#include "core/training/first_weights.h"
#include "core/training/stage_loop.h"

#include <memory>
#include <optional>

namespace espalier::training {

/// One rank's training of one run, from its folder to its end: opens the data, builds the network, goes on from the newest valid checkpoint
/// and trains the stages of the plan.
class TrainingSession {
public:
    struct Request {
        runs::RunFolder folder;
        config::RunConfig config;
        at::Device device = at::kCPU;
        std::shared_ptr<parallel::ProcessGroup> group;
        std::optional<std::int64_t> onlySteps; // a rehearsal: so many steps, nothing is written
    };
    /// Fails with a sentence when data, model, batch or checkpoint do not fit. All ranks must call it.
    static Result<std::unique_ptr<TrainingSession>> open(Request request, runs::WorkerLink& link, const Log& log);
    ~TrainingSession();

    /// Trains to the end, a pause or a stop. A failure was written to the events before it comes back.
    Result<runs::EndedHow> run(std::stop_token now);

    const tensors::TrainState& state() const { return m_state; }

private:
    TrainingSession(Request request, runs::WorkerLink& link) : m_request(std::move(request)), m_link(link) {}
    void warn(std::string message);
    Result<Done> openData(const Log& log);
    Result<Done> checkClasses() const;
    Result<Done> buildModel();
    Result<Done> openFeatures();
    Result<Done> shareBatch();
    Result<Done> openCodec();
    Result<Done> resume(const Log& log);
    Result<Done> firstWeights();
    Result<Done> openWriter();
    Result<Done> prepareLatents();
    Result<runs::EndedHow> leaveEarly();
    Result<Done> startLoader();
    std::unique_ptr<Examination> makeExamination();
    Result<Done> makePlan();
    Result<Done> writePlan() const;
    Result<runs::EndedHow> trainFromLoader(std::stop_token now);
    Result<runs::EndedHow> trainStages(std::stop_token now);

    Request m_request;
    runs::WorkerLink& m_link;
    Log m_log;
    std::shared_ptr<const data::Dataset> m_train, m_test;
    std::shared_ptr<const generation::LatentCodec> m_codec; // null: pixels, or no autoencoder was named
    std::shared_ptr<const data::LatentSet> m_latents;       // null: pixels
    data::Share m_share;
    std::unique_ptr<plan::PlanStrategy> m_strategy;
    plan::Plan m_plan;
    std::shared_ptr<models::Model> m_model;
    std::unique_ptr<models::Objective> m_objective;
    tensors::TrainState m_state;
    Clock m_clock;
    std::unique_ptr<TrainStep> m_step;
    std::optional<Origin> m_origin; // rank 0, of a run that begins now
    Json m_originOfRun;             // the same, whenever it began; null without one
    bool m_resumed = false;
    std::vector<std::string> m_earlyWarnings;  // of the time before there is a writer
    std::unique_ptr<runs::RunWriter> m_writer; // rank 0
    std::unique_ptr<data::Loader> m_loader;    // its threads warn
    std::unique_ptr<CheckpointKeeper> m_checkpoints;
    std::unique_ptr<generation::Previews> m_previews;
    std::optional<evaluation::InceptionFile> m_inception; // rank 0, for FID
    std::unique_ptr<Examination> m_examination;
    std::optional<Scribe> m_scribe;
};

} // namespace espalier::training
