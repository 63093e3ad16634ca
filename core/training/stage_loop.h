// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/loader.h"
#include "core/generation/previews.h"
#include "core/plan/plan.h"
#include "core/plan/prefix.h"
#include "core/runs/run_writer.h"
#include "core/runs/worker_link.h"
#include "core/tensors/state.h"
#include "core/training/checkpoint_keeper.h"
#include "core/training/clock.h"
#include "core/training/control_word.h"
#include "core/training/examination.h"
#include "core/training/learning_rate.h"
#include "core/training/train_step.h"

#include <memory>
#include <optional>
#include <vector>

namespace espalier::training {

/// What only rank 0 has: the pen, the checkpoints and the pictures.
struct Scribe {
    runs::RunWriter& run;    // what concerns the run: its state, and answers to wishes
    runs::RunWriter& writer; // what the stage leaves behind: of its branch, or the run's
    CheckpointKeeper& checkpoints;
    generation::Previews& previews;
};

/// Where a stage lies in its run.
struct StagePlace {
    plan::Progress begin; // what the run had done before it
    Horizon horizon;      // of the whole run, which the learning rate follows
    bool last = true;
};

/// The candidate whose sub-net the step of a supernet trains.
std::size_t candidateDrawn(std::uint64_t seed, std::int64_t step, std::size_t candidates);

/// Trains one stage to its end, or until it is asked to pause or stop: step after step, with reports, checkpoints, sample grids and
/// evaluations at their intervals and on wishes. All ranks run it in step with each other.
class StageLoop {
public:
    struct Parts {
        TrainStep& step;
        data::Loader& loader;
        tensors::TrainState& state;
        data::Share share;
        std::shared_ptr<parallel::ProcessGroup> group;
        runs::WorkerLink& link;
        Clock& clock;
        at::Device device;
        std::int64_t datasetSize;
        Scribe* scribe;               // null except on rank 0
        generation::Painter& painter; // of this rank, for the pictures and numbers that all make together
        Examination& examination;
        const plan::Prefix& prefix;      // what the loader may give in place of images
        ControlWord& control;            // of the run
        std::vector<runs::Wish>& wishes; // granted when their order comes back; rank 0
    };
    /// `config`: of the stage.
    StageLoop(Parts parts, const config::RunConfig& config, const plan::Stage& stage, const StagePlace& place);

    /// Trains until `share` of the stage is done (Finished), for a search to look, or to its end, where its checkpoint is written.
    Result<runs::EndedHow> run(std::stop_token now, double share = 1.0, bool leave = true);

private:
    Result<Done> trainOneStep(std::stop_token now);
    Result<Done> reportIfDue();
    std::vector<double> ownSecondsOfRanks();
    void tellPace(const std::vector<double>& seconds);
    Result<Done> doWhatIsDue(std::int64_t orders, std::stop_token now);
    Result<Done> save(const std::string& because);
    Result<Done> helpRankZero(std::string_view doing, std::stop_token now);
    parallel::Crew::Waits tellWaiting();
    Result<Done> drawSamples(const runs::Wish* wish, std::stop_token now);
    Result<Done> evaluate(const runs::Wish* wish, bool last, std::stop_token now);
    std::int64_t ordersToGive();
    /// What this stage has done; its seconds are known to rank 0.
    double progress(double seconds) const;
    bool reached() const { return progress(0.0) >= m_until; }
    const char* atEnd() const { return m_stage.role == plan::Stage::Role::Train ? kStageEnd : kSearchEnd; }
    Result<Done> giveUp(const Report& report);
    void answer(runs::WishKind kind, const Result<Done>& outcome, const std::string& said);
    void tell(const runs::WishAnswered& answer);
    void heartbeat(std::string_view doing);

    Parts m_parts;
    const config::RunConfig m_config;
    const plan::Stage m_stage;
    const StagePlace m_place;
    std::vector<double> m_flopsPerStep; // of a supernet: for each candidate
    double m_until = 1.0;               // share of the stage
    bool m_leave = true;                // at its end the stage is over
    std::int64_t m_savedStep = -1;
    std::int64_t m_imagesAtReport = 0;
    double m_secondsAtReport = 0.0;
    parallel::Stragglers m_stragglers;
};

} // namespace espalier::training
