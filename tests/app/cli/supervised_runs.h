// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/files.h"
#include "core/runs/control.h"
#include "core/runs/follower.h"
#include "core/runs/retention.h"
#include "tests/app/cli/cli_runner.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

namespace espalier::tests {

/// Runs of the real command line over the fake worker.
class SupervisedRuns : public testing::Test {
protected:
    void SetUp() override
    {
        std::filesystem::create_directories(m_folder);
        ::setenv("ESPALIER_LIBRARY", (m_folder / "library").c_str(), 1);
    }
    void TearDown() override
    {
        EXPECT_TRUE(eventually([&] { return processesIn(m_folder).empty(); }, std::chrono::seconds(5)))
            << "a process outlived its supervisor";
        std::filesystem::remove_all(m_folder);
    }
    std::vector<std::string> command(std::vector<std::string> more = {}, int steps = 60)
    {
        std::vector<std::string> all{"train",
                                     "--preset",
                                     "smoke",
                                     "--run",
                                     m_run.root().string(),
                                     "--devices",
                                     "cpu",
                                     "--set",
                                     "training.steps=" + std::to_string(steps),
                                     "--set",
                                     "checkpoints.every=10"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    CliResult call(const std::vector<std::string>& arguments, const Environment& environment = {})
    {
        CliProcess process(arguments, environment, m_folder / "call");
        CliResult result;
        result.status = process.wait();
        result.out = process.out();
        result.err = process.err();
        return result;
    }
    std::unique_ptr<CliProcess> start(const std::vector<std::string>& arguments, const Environment& environment = {})
    {
        return std::make_unique<CliProcess>(arguments, environment, m_folder / "start");
    }
    /// Polls until the run shows `state`.
    bool reaches(runs::RunState state, std::chrono::milliseconds limit = std::chrono::seconds(10))
    {
        runs::RunFollower follower(m_run.root());
        return eventually([&] { return follower.poll(), follower.state() == state; }, limit);
    }
    bool passes(std::int64_t step)
    {
        runs::RunFollower follower(m_run.root());
        return eventually([&] { return follower.poll(), follower.progress().step >= step; });
    }
    runs::RunFollower followed()
    {
        runs::RunFollower follower(m_run.root());
        follower.poll();
        return follower;
    }
    std::string finalState()
    {
        const auto stored = runs::storedCheckpoints(m_run);
        const auto text =
            stored.empty() ? Result<std::string>(std::string()) : readFile(m_run.checkpointFolder(stored.back().step) / "state.txt");
        return text ? *text : "";
    }

    std::filesystem::path m_folder = std::filesystem::temp_directory_path() / ("espalier-supervised-" + std::to_string(::getpid()));
    runs::RunFolder m_run{m_folder / "run"};
};

} // namespace espalier::tests
