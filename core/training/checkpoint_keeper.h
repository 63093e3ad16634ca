// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/runs/retention.h"
#include "core/runs/run_writer.h"
#include "core/tensors/checkpoint.h"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace espalier::training {

/// Why a checkpoint was written with which a stage ends: it is kept as long as the run.
inline constexpr const char* kStageEnd = "stage";
/// And with which a supernet ends, that nobody needs once its stage has begun.
inline constexpr const char* kSearchEnd = "search";

/// Saves checkpoints behind the back of training: the state is copied to the host, a thread writes, syncs and renames it, says so in the
/// events and removes what retention no longer keeps. Call from the training thread of rank 0.
class CheckpointKeeper {
public:
    /// `about`: of every checkpoint; its "stage" is the number of the stage that they belong to.
    CheckpointKeeper(runs::RunWriter& writer, config::CheckpointConfig config, Json about);
    ~CheckpointKeeper(); // finishes what it began

    /// Copies the state and starts to write it; waits first for a checkpoint still being written. `because`: "interval", "wish", "pause" …
    Result<Done> save(const tensors::TrainState& state, const Json& clock, std::string because);
    /// Waits for the checkpoint being written. The first error of any of them, once.
    Result<Done> finish();
    /// A number measured at this step: the checkpoint of the best one is kept.
    void measured(std::int64_t step, const std::string& metric, double value);
    /// Relative folder of the newest whole checkpoint of this attempt or an earlier one; "" when there is none.
    std::string newest() const;

private:
    void write(tensors::Snapshot snapshot, std::int64_t step, std::string because);
    void removeOld();

    runs::RunWriter& m_writer;
    const config::CheckpointConfig m_config;
    const Json m_about;
    const int m_stage;
    std::mutex m_mutex; // metrics and error
    std::map<std::int64_t, runs::MeasuredValue> m_metrics;
    std::optional<Error> m_error;
    std::thread m_thread;
};

/// The newest checkpoint of a run whose files have their sizes and hashes; nullopt when there is none at all: start at step 0. What was
/// passed over goes to `log`. When there are some and all are damaged, an error: whoever has a copy would lose by starting over.
Result<std::optional<std::filesystem::path>> newestValidCheckpoint(const runs::RunFolder& folder, const Log& log);

} // namespace espalier::training
