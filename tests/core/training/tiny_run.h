// SPDX-License-Identifier: Apache-2.0
#pragma once

// A run small enough for tests: a few milliseconds a step.

#include "core/config/config.h"
#include "core/runs/run_folder.h"
#include "core/training/training_session.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <unistd.h>

namespace espalier::training {

inline config::RunConfig tinyConfig(std::int64_t steps)
{
    config::RunConfig config;
    config.seed = 7;
    config.devices = "cpu";
    config.data.side = 16;
    config.data.gardenTrain = 40; // two epochs and a half in ten steps
    config.data.gardenTest = 40;
    config.data.workers = 1;
    config.model =
        config::UNetConfig{.hidChannels = 32, .chMultipliers = {1, 2}, .numResBlocks = 1, .applyAttn = {false, true}, .dropRate = 0.1};
    config.diffusion.timesteps = 100;
    config.training.steps = steps;
    config.training.batchSize = 6;
    config.training.warmupSteps = 4;
    config.training.ema.decays = {0.9, 0.99};
    config.training.reportEvery = 3; // a report interval that a save cuts through
    config.training.threads = 1;
    config.checkpoints.every = 0;
    config.samples.every = 0;
    config.samples.sampler.steps = 4;
    config.evaluation.every = 0;
    config.evaluation.images = 16;
    config.evaluation.sampler.steps = 4;
    return config;
}

/// A folder under the system's temporary one that goes with the test.
class TinyRun : public testing::Test {
protected:
    void SetUp() override
    {
        at::set_num_threads(1);
        m_root = std::filesystem::temp_directory_path() / ("espalier-training-" + std::to_string(::getpid()));
        std::filesystem::remove_all(m_root);
        std::filesystem::create_directories(m_root);
    }
    void TearDown() override { std::filesystem::remove_all(m_root); }

    runs::RunFolder makeRun(const std::string& name, const config::RunConfig& config)
    {
        auto folder = runs::createRunFolder(m_root / name, config::document(config));
        EXPECT_TRUE(folder) << folder.error().message;
        return *folder;
    }

    /// Trains one attempt on this rank and gives how it ended.
    static Result<runs::EndedHow> train(const runs::RunFolder& folder, const config::RunConfig& config,
                                        std::shared_ptr<parallel::ProcessGroup> group = parallel::ProcessGroup::alone(),
                                        runs::WorkerLink* link = nullptr)
    {
        runs::WorkerLink own;
        const Log quiet = [](LogLevel, std::string_view) {};
        auto session = TrainingSession::open({folder, config, at::kCPU, std::move(group), std::nullopt}, link ? *link : own, quiet);
        if (!session)
            return session.error();
        return (*session)->run({});
    }

    /// A run that ends well.
    runs::RunFolder trained(const std::string& name, const config::RunConfig& config)
    {
        const auto folder = makeRun(name, config);
        const auto ended = train(folder, config);
        EXPECT_TRUE(ended) << ended.error().message << ended.error().detail;
        if (ended) {
            EXPECT_EQ(*ended, runs::EndedHow::Finished);
        }
        return folder;
    }
    /// Why a new run ends at once; empty where it does not.
    std::string refusal(const std::string& name, const config::RunConfig& config)
    {
        const auto ended = train(makeRun(name, config), config);
        return ended ? "" : ended.error().message;
    }

    static tensors::Manifest manifestOf(const runs::RunFolder& folder, std::int64_t step)
    {
        auto manifest = tensors::readManifest(folder.checkpointFolder(step));
        EXPECT_TRUE(manifest) << manifest.error().message;
        return manifest ? *manifest : tensors::Manifest{};
    }

    /// All shards of two checkpoints have equal bytes.
    static void expectEqualShards(const runs::RunFolder& a, const runs::RunFolder& b, std::int64_t step)
    {
        const auto left = manifestOf(a, step), right = manifestOf(b, step);
        ASSERT_EQ(left.files.size(), right.files.size());
        ASSERT_FALSE(left.files.empty());
        for (std::size_t i = 0; i < left.files.size(); ++i) {
            EXPECT_EQ(left.files[i].name, right.files[i].name);
            EXPECT_EQ(left.files[i].sha256, right.files[i].sha256) << left.files[i].name;
        }
        EXPECT_EQ(left.counters, right.counters);
    }

    /// What a kill leaves when `step` was the newest checkpoint: the plan, and that checkpoint alone.
    runs::RunFolder brokenOff(const runs::RunFolder& straight, const config::RunConfig& config, std::int64_t step)
    {
        const auto broken = makeRun("broken" + std::to_string(step), config);
        std::filesystem::copy_file(straight.planFile(), broken.planFile());
        std::filesystem::create_directories(broken.checkpointsFolder());
        std::filesystem::copy(straight.checkpointFolder(step), broken.checkpointFolder(step), std::filesystem::copy_options::recursive);
        return broken;
    }
    /// A run with a checkpoint of each step goes on from any of them to the same bytes at `last`, counters too. `also` looks at more.
    void goesOnFromEveryStep(const runs::RunFolder& straight, config::RunConfig config, std::int64_t last,
                             const std::function<void(const runs::RunFolder& broken)>& also = {})
    {
        config.checkpoints.every = 0;
        for (std::int64_t step = 1; step < last; ++step) {
            SCOPED_TRACE(step);
            const auto broken = brokenOff(straight, config, step);
            const auto resumed = train(broken, config);
            ASSERT_TRUE(resumed) << resumed.error().message << resumed.error().detail;
            expectEqualShards(straight, broken, last);
            if (also)
                also(broken);
        }
    }

    std::filesystem::path m_root;
};

} // namespace espalier::training
