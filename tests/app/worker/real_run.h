// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/formats/safetensors.h"
#include "core/runs/control.h"
#include "core/runs/follower.h"
#include "core/runs/retention.h"
#include "tests/app/cli/cli_runner.h"

#include <gtest/gtest.h>

#include <csignal>
#include <random>
#include <unistd.h>

namespace espalier {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using runs::RunFolder;
using tests::CliProcess;
using tests::eventually;

/// The command line over the real worker, on a network of a few milliseconds a step.
class RealRuns : public testing::Test {
protected:
    void SetUp() override
    {
        fs::remove_all(m_folder);
        fs::create_directories(m_folder);
        ::setenv("ESPALIER_LIBRARY", (m_folder / "library").c_str(), 1);
        const Json tiny{
            {"seed", 7},
            {"devices", "cpu"},
            {"data", {{"side", 16}, {"garden_train", 100}, {"garden_test", 60}, {"workers", 1}}},
            {"model",
             {{"kind", "unet"}, {"hid_channels", 32}, {"ch_multipliers", {1, 2}}, {"num_res_blocks", 1}, {"apply_attn", {false, true}}}},
            {"diffusion", {{"timesteps", 50}}},
            {"training", {{"steps", 60}, {"batch_size", 6}, {"warmup_steps", 4}, {"report_every", 1}, {"threads", 1}}},
            {"checkpoints", {{"every", 10}}},
            {"samples", {{"every", 30}, {"count", 4}, {"sampler", {{"steps", 3}}}}},
            {"evaluation", {{"images", 32}, {"sampler", {{"steps", 3}}}}}};
        ASSERT_TRUE(writeFileAtomically(m_folder / "tiny.json", tiny.dump()));
    }
    void TearDown() override
    {
        EXPECT_TRUE(eventually([&] { return tests::processesIn(m_folder).empty(); }, 5s)) << "a process outlived its supervisor";
        fs::remove_all(m_folder);
    }

    std::vector<std::string> trainInto(const RunFolder& run, std::vector<std::string> more = {}) const
    {
        std::vector<std::string> all{"train", "--config", (m_folder / "tiny.json").string(), "--run", run.root().string(), "--quiet"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    tests::CliResult call(const std::vector<std::string>& arguments, std::chrono::milliseconds limit = 120s) const
    {
        CliProcess process(arguments, {}, m_folder / "call");
        tests::CliResult result;
        result.status = process.wait(limit);
        result.out = process.out();
        result.err = process.err();
        return result;
    }
    static runs::RunState stateOf(const RunFolder& run)
    {
        runs::RunFollower follower(run.root());
        follower.poll();
        return follower.state();
    }
    static bool passes(const RunFolder& run, std::int64_t step)
    {
        runs::RunFollower follower(run.root());
        return eventually([&] { return follower.poll(), follower.progress().step >= step; }, 60s);
    }
    /// Hashes of all shards of a checkpoint, from its manifest.
    static Json shardsOf(const RunFolder& run, std::int64_t step)
    {
        const auto text = readFile(run.checkpointFolder(step) / "manifest.json");
        return text ? Json::parse(*text)["files"] : Json();
    }
    static void expectAllReadable(const RunFolder& run)
    {
        runs::RunFollower follower(run.root());
        follower.poll();
        if (run.root().parent_path().filename() != "branches") { // these have no configuration of their own
            EXPECT_EQ(follower.problem(), "");
        }
        for (const auto& stored : runs::storedCheckpoints(run))
            for (const auto& file : fs::directory_iterator(run.checkpointFolder(stored.step)))
                if (file.path().extension() == ".safetensors") {
                    EXPECT_TRUE(formats::SafetensorsReader::open(file.path())) << file.path();
                }
    }
    void killAtRandomMoments(int kills, unsigned seed);

    fs::path m_folder = fs::temp_directory_path() / ("espalier-real-" + std::to_string(::getpid()));
};

inline void RealRuns::killAtRandomMoments(int kills, unsigned seed)
{
    const std::vector<std::string> longer{"--set", "training.steps=300"};
    const RunFolder straight(m_folder / "straight"), killed(m_folder / "killed");
    const auto undisturbed = call(trainInto(straight, longer));
    ASSERT_EQ(undisturbed.status, 0) << undisturbed.err;
    std::mt19937 random(seed);
    for (int round = 0; round < kills; ++round) {
        std::int64_t saved = 0;
        if (const auto stored = runs::storedCheckpoints(killed); !stored.empty())
            saved = stored.back().step;
        CliProcess process(trainInto(killed, longer), {}, m_folder / "start");
        std::this_thread::sleep_for(std::chrono::milliseconds(300 + random() % 2200));
        pid_t victim = process.pid();
        if (round % 2 == 1)
            for (const auto pid : tests::processesIn(killed.root()))
                if (pid != process.pid())
                    victim = pid;
        ::kill(victim, SIGKILL);
        EXPECT_NE(process.wait(15s), -1);
        ASSERT_TRUE(eventually([&] { return tests::processesIn(killed.root()).empty(); }, 5s)) << "round " << round;
        if (const auto stored = runs::storedCheckpoints(killed); !stored.empty()) {
            EXPECT_GE(stored.back().step, saved) << "a checkpoint was lost";
        }
        if (runs::isRunFolder(killed.root()))
            expectAllReadable(killed);
    }
    const auto finished = call(trainInto(killed, longer));
    ASSERT_EQ(finished.status, 0) << finished.err;
    EXPECT_EQ(shardsOf(straight, 300), shardsOf(killed, 300));
    EXPECT_FALSE(shardsOf(straight, 300).is_null());
}

} // namespace espalier
