// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/batch.h"
#include "core/config/run_config.h"
#include "core/data/dataset.h"
#include "core/data/latent_set.h"
#include "core/generation/latent_codec.h"
#include "core/growth/file_parent.h"
#include "core/growth/grow.h"
#include "core/plan/prefix.h"
#include "core/plan/strategy.h"
#include "core/runs/run_folder.h"
#include "core/runs/worker_link.h"
#include "core/training/first_weights.h"
#include "core/training/search.h"
#include "core/training/stage_loop.h"
#include "core/training/trainee.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace espalier::training {

/// What one stage trains with; replaced whole when the next one begins.
struct StageSetup {
    plan::Stage stage;
    config::RunConfig config; // of the stage
    data::Share share;
    std::shared_ptr<const data::Dataset> train, test; // at the side of the stage; `test` may be missing
    plan::Prefix prefix;
    std::shared_ptr<const data::LatentSet> latents; // or what frozen blocks give; null: pixels
    Trainee trainee;
    std::unique_ptr<TrainStep> step;
    std::vector<std::shared_ptr<const data::LatentSet>> ofCandidates; // of a supernet on latents: for each candidate, of its side
    // Made as it begins, on every rank: all draw and measure together.
    std::unique_ptr<generation::Painter> painter;
    std::unique_ptr<Examination> examination;
    // Made as it begins, on rank 0.
    std::unique_ptr<CheckpointKeeper> checkpoints;
    std::unique_ptr<generation::Previews> previews;
    std::optional<Scribe> scribe;
    // Made as it begins, on every rank; the loader's threads warn.
    std::unique_ptr<data::Loader> loader;
    std::optional<StageLoop> loop;
};

/// One rank's training of one run, or of one of its branches, from its folder to its end: opens the data, builds the network, goes on from
/// the newest valid checkpoint and does what the strategy asks for: trains stages, grows the network from one to the next, and measures
/// candidates.
class TrainingSession {
public:
    struct Request {
        runs::RunFolder folder;
        config::RunConfig config;
        at::Device device = at::kCPU;
        std::shared_ptr<parallel::ProcessGroup> group;
        std::optional<std::int64_t> onlySteps; // a rehearsal of the whole model: so many steps, nothing is written
        bool searchOnly = false;               // leave as soon as nothing but training comes next
        // A branch to train alone, in its folder; "": the run without its branches, which others train; none: all, branches in turn.
        std::optional<std::string> branch = {};
        int devices = 0; // of the run, where a branch has one of them; 0: as many as ranks
    };
    /// Fails with a sentence when data, model, batch or checkpoint do not fit. All ranks must call it.
    static Result<std::unique_ptr<TrainingSession>> open(Request request, runs::WorkerLink& link, const Log& log);
    ~TrainingSession();

    /// Trains to the end, a pause or a stop. A failure was written to the events before it comes back.
    Result<runs::EndedHow> run(std::stop_token now);

    const tensors::TrainState& state() const { return m_now->trainee.state; }

private:
    TrainingSession(Request request, runs::WorkerLink& link);
    void warn(std::string message);
    // training_session.cpp
    Result<Done> openFeatures();
    Result<Done> openData();
    Result<Done> checkClasses() const;
    Result<Done> openCodec();
    Result<Done> makePlan();
    Result<config::BatchSplit> splitOf(const config::TrainingConfig& training) const;
    int ranksOfBatch() const { return std::max(m_request.devices, m_request.group->world()); }
    Result<Done> openWriter();
    Result<Done> record(const plan::Measurement& measurement);
    Result<Done> writePlan() const;
    Result<runs::EndedHow> follow(std::stop_token now);
    Result<runs::EndedHow> obey(const plan::TrainStage& request, std::stop_token now);
    Result<runs::EndedHow> obey(const plan::ProbeLoss& request, std::stop_token now);
    Result<runs::EndedHow> obey(const plan::ZeroShot& request, std::stop_token now);
    bool isOurs(const plan::Request& request) const;
    Result<runs::EndedHow> leaveEarly(const std::string& why);
    // session_start.cpp: where a run begins or goes on
    Result<Done> start();
    Result<std::int64_t> chooseCheckpoint(const runs::RunFolder& folder);
    Result<Done> resume(const std::filesystem::path& checkpoint);
    Result<Done> firstWeights();
    // session_stage.cpp: from one stage to the next
    Result<std::unique_ptr<StageSetup>> build(const plan::Stage& stage, bool begins) const;
    Result<Done> grow(StageSetup& next) const;
    Result<Done> begin(const plan::Stage& stage);
    Result<Done> openStageData(StageSetup& setup) const;
    Result<Done> startLoader(StageSetup& setup);
    Result<Done> giveScribe(StageSetup& setup);
    std::unique_ptr<Examination> makeExamination(StageSetup& setup);
    Horizon horizon() const;
    // session_branches.cpp: stages that stand side by side
    bool isBranch() const { return m_request.branch && !m_request.branch->empty(); }
    Result<Done> startBranch();
    runs::RunFolder folderOf(const plan::Stage& stage) const { return m_request.folder.branch(stage.branch); }
    Result<std::optional<std::int64_t>> ownCheckpoint(const plan::Stage& stage);
    Result<Done> forgetLost(const plan::Stage& now, std::int64_t newest);
    Result<growth::FileParent> endedStage(const plan::StageId& id) const;
    plan::Progress beginClock(const plan::Stage& stage);
    tensors::Counters firstCounters(const plan::Stage& stage, std::span<const growth::Parent> parents) const;
    static Result<std::unique_ptr<runs::RunWriter>> openPen(const runs::RunFolder& folder, std::int64_t step);
    Result<runs::RunWriter*> penOf(const plan::Stage& stage);
    bool goesOnWithout(const plan::Request& request, const Error& error);
    // session_prefix.cpp: what frozen blocks give, kept
    plan::Prefix prefixFor(const StageSetup& setup) const;
    Result<Done> keepPrefix(StageSetup& setup, const plan::Progress& before);
    // session_latents.cpp
    bool encodes() const;
    Result<SearchData> dataOf(config::RunConfig config) const;
    Result<SearchData> dataAt(std::int64_t side) const;
    Result<Done> checkSides();
    Result<Done> encodeSides();
    Result<std::shared_ptr<const data::LatentSet>> latentsOf(const SearchData& data, const std::string& which);
    Result<Done> prepareLatents(StageSetup& setup);
    // session_search.cpp: what a search asks for
    Result<plan::Measurement> measured(const std::string& id, std::int64_t columns, SearchParts& parts,
                                       const std::function<Result<SearchTable>()>& onRankZero);
    SearchParts searchParts(const plan::Stage& stage);
    Result<Done> giveCandidatesData(SearchParts& parts);
    Result<Done> keepSpent(const plan::Spent& spent);
    Result<runs::EndedHow> keep(const Result<plan::Measurement>& measurement);
    void tellChoice(const std::string& measurement);

    Request m_request;
    runs::WorkerLink& m_link;
    Log m_log;
    std::shared_ptr<const data::Dataset> m_train, m_test;   // at the side of the run
    std::shared_ptr<const data::LatentSet> m_latents;       // that somebody else made
    std::shared_ptr<const generation::LatentCodec> m_codec; // null: pixels, or no autoencoder was named
    std::map<std::pair<std::int64_t, std::string>, std::shared_ptr<const data::LatentSet>> m_encoded; // by data.side and images
    std::unique_ptr<plan::PlanStrategy> m_strategy;
    plan::Plan m_plan;
    Clock m_clock;
    ControlWord m_control;
    std::vector<runs::Wish> m_wishes;
    std::optional<Origin> m_origin;                       // rank 0, of a run that begins now
    Json m_originOfRun;                                   // the same, whenever it began; null without one
    std::vector<std::string> m_earlyWarnings;             // of the time before there is a writer
    std::unique_ptr<runs::RunWriter> m_writer;            // rank 0; of the run, or of the branch that trains alone
    std::string m_branch;                                 // that m_branchWriter writes
    std::unique_ptr<runs::RunWriter> m_branchWriter;      // rank 0, while a stage of a branch has its turn
    std::int64_t m_stepOfRun = 0;                         // where the run itself went on, whatever branch trains
    std::map<plan::StageId, Error> m_failed;              // stages that this attempt no longer tries
    std::optional<evaluation::InceptionFile> m_inception; // for FID
    std::unique_ptr<StageSetup> m_now;
};

} // namespace espalier::training
