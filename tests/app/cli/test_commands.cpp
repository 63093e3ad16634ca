// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/runs/events.h"
#include "core/runs/library.h"
#include "tests/app/cli/cli_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

namespace espalier {
namespace fs = std::filesystem;
using tests::CliProcess;
using tests::CliResult;

/// The real command line over the fake worker, in a folder of its own.
class Commands : public testing::Test {
protected:
    void SetUp() override
    {
        fs::create_directories(m_folder);
        ::setenv("ESPALIER_LIBRARY", (m_folder / "library").c_str(), 1);
    }
    void TearDown() override { fs::remove_all(m_folder); }
    CliResult call(const std::vector<std::string>& arguments)
    {
        CliProcess process(arguments, {{"FAKE_STEP_MS", "1"}}, m_folder / "call");
        CliResult result;
        result.status = process.wait();
        result.out = process.out();
        result.err = process.err();
        return result;
    }
    std::string run() { return (m_folder / "run").string(); }
    CliResult train() { return call({"train", "--preset", "smoke", "--run", run(), "--devices", "cpu", "--quiet"}); }
    std::vector<runs::Event> events(std::string_view kind)
    {
        std::vector<runs::Event> found;
        for (const auto& each : runs::EventReader(fs::path(run()) / "events.jsonl").poll())
            if (each.kind == kind)
                found.push_back(each);
        return found;
    }
    const fs::path m_folder = fs::temp_directory_path() / ("espalier-commands-" + std::to_string(::getpid()));
};

TEST_F(Commands, RefuseBadInputWithASentenceThatNamesIt)
{
    ASSERT_TRUE(writeFileAtomically(m_folder / "broken.safetensors", std::string("\x40\0\0\0\0\0\0\0{\"a\":", 13)));
    ASSERT_TRUE(writeFileAtomically(m_folder / "empty.npz", ""));
    ASSERT_TRUE(writeFileAtomically(m_folder / "page.pt", "<html>"));
    fs::create_directories(m_folder / "nothing");
    const auto at = [&](const char* name) { return (m_folder / name).string(); };
    struct Bad {
        std::vector<std::string> arguments;
        int status;
        std::string named;
    };
    const std::vector<Bad> table{
        {{"train", "--preset", "smoke", "--run", at("x"), "--set", "training.stepz=3"}, 2, "training.stepz"},
        {{"train", "--preset", "smoke", "--run", at("x"), "--set", "training.steps=many"}, 2, "training.steps"},
        {{"train", "--preset", "smoke", "--run", at("x"), "--set", "training.batch_size=0"}, 2, "training.batch_size"},
        {{"train", "--preset", "smoke", "--run", at("x"), "--devices", "cpu:3"}, 2, "batch"},
        {{"train", "--preset", "smoke", "--run", at("x"), "--devices", "97"}, 2, "97"},
        {{"train", "--preset", "demoo", "--run", at("x")}, 2, "Did you mean demo"},
        {{"train", "--resume", at("gone")}, 2, "gone"},
        {{"presets", "smoky"}, 2, "smoke"},
        {{"presets", "--colour"}, 2, "--colour"},
        {{"follow", at("gone")}, 2, "gone"},
        {{"control", at("gone"), "pause"}, 2, "gone"},
        {{"sample", "--checkpoint", at("gone")}, 2, "gone"},
        {{"sample", "--checkpoint", at("nothing"), "--out", at("o")}, 2, "nothing"},
        {{"sample", "--checkpoint", at("broken.safetensors"), "--out", at("o")}, 1, "broken.safetensors"},
        {{"sample", "--checkpoint", at("gone"), "--num", "0"}, 2, "--num"},
        {{"sample", "--checkpoint", at("broken.safetensors"), "--device", "cuda:97"}, 1, "broken.safetensors"},
        {{"evaluate", "--images", at("gone"), "--reference", at("nothing")}, 2, "--images"},
        {{"evaluate", "--images", at("nothing")}, 2, "--reference"},
        {{"evaluate", "--checkpoint", at("gone"), "--reference", at("lost")}, 2, "--reference"},
        {{"evaluate", "--checkpoint", at("gone"), "--metrics", "fid"}, 2, "never FID"},
        {{"evaluate", "--checkpoint", at("gone"), "--metrics", "is"}, 2, "--features"},
        {{"evaluate", "--checkpoint", at("gone"), "--metrics", "fid,clip"}, 2, "never FID"},
        {{"evaluate", "--checkpoint", at("gone"), "--metrics", "clip"}, 2, "Known: fd, fid, sfid, is, pr, kid, bpd, accuracy."},
        {{"evaluate", "--checkpoint", at("gone"), "--metrics", "fid", "--features", at("lost.pth")}, 2, "lost.pth"},
        {{"evaluate", "--checkpoint", at("gone"), "--metrics", "fd", "--features", at("broken.safetensors")}, 2, "random features"},
        {{"evaluate", "--checkpoint", at("gone"), "--metrics", "bpd,fd"}, 2, "stands alone"},
        {{"evaluate", "--images", at("nothing"), "--metrics", "bpd"}, 2, "test images of their own set"},
        {{"sample", "--checkpoint", at("gone"), "--clip-denoised", "perhaps"}, 2, "--clip-denoised"},
        {{"evaluate", "--images", at("nothing"), "--metrics", "fid", "--features", at("broken.safetensors")}, 2, "--reference"},
        {{"export", at("gone"), "--out", at("w.safetensors")}, 2, "gone"},
        {{"export", at("gone")}, 2, "--out"},
        {{"export", at("nothing"), "--at-stage", "x", "--out", at("w")}, 2, "--at-stage"},
        {{"fork", at("gone"), "--at-stage", "0"}, 2, "gone"},
        {{"fork", at("nothing")}, 2, "--at-stage"},
        {{"search", at("gone")}, 2, "gone"},
        {{"search"}, 2, "Say what to train"},
        {{"bench", "--device", "cuda:97"}, 2, "97"},
        {{"bench", "--precision", "fp8"}, 2, "--precision"},
        {{"inspect", at("broken.safetensors")}, 1, "broken.safetensors"},
        {{"inspect", at("empty.npz")}, 1, "empty.npz"},
        {{"inspect", at("page.pt")}, 1, "web page"},
        {{"sample", "--checkpoint", at("page.pt"), "--out", at("x")}, 1, "web page"},
        {{"inspect", at("gone")}, 2, "gone"},
    };
    for (const auto& bad : table) {
        const auto result = call(bad.arguments);
        std::string typed;
        for (const auto& each : bad.arguments)
            typed += each + ' ';
        EXPECT_EQ(result.status, bad.status) << typed << result.err;
        EXPECT_NE(result.err.find(bad.named), std::string::npos) << typed << result.err;
        EXPECT_FALSE(fs::exists(m_folder / "x")) << typed;
    }
}

TEST_F(Commands, SampleAndEvaluateLeaveTheStateOfARunAtRest)
{
    ASSERT_EQ(train().status, 0);
    for (const auto& [flag, value, named] :
         {std::tuple{"--timestep-respacing", "ddim37", "no whole stride"}, {"--guidance-channels", "two", "one of all, first-three"}}) {
        const auto refused = call({"sample", "--checkpoint", run(), flag, value});
        EXPECT_EQ(refused.status, 2) << flag;
        EXPECT_NE(refused.err.find(named), std::string::npos) << refused.err;
    }
    const auto sampled = call({"sample", "--checkpoint", run(), "--num", "4", "--steps", "3", "--json"});
    ASSERT_EQ(sampled.status, 0) << sampled.err;
    const auto json = sampled.json();
    EXPECT_EQ(json["request"]["num"], 4);
    EXPECT_EQ(json["request"]["sampler"]["steps"], 3);
    EXPECT_TRUE(json["request"]["checkpoint"].get<std::string>().ends_with("step-0000012"));
    EXPECT_EQ(runs::summarize(run()).state, runs::RunState::Finished);
}

TEST_F(Commands, AStageThatIsNotThereIsNamed)
{
    ASSERT_EQ(train().status, 0);
    const auto unplanned = call({"export", run(), "--at-stage", "0", "--out", (m_folder / "w").string()});
    EXPECT_EQ(unplanned.status, 2) << "the fake worker plans nothing";
    EXPECT_NE(unplanned.err.find("no plan yet"), std::string::npos) << unplanned.err;
    const auto fork = call({"fork", run(), "--at-stage", "0", "--no-start"});
    EXPECT_EQ(fork.status, 2);
    EXPECT_NE(fork.err.find("no plan yet"), std::string::npos) << fork.err;
    const auto unknown = call({"fork", run(), "--at-stage", "0", "--training.stepz=3"});
    EXPECT_EQ(unknown.status, 2);
    EXPECT_NE(unknown.err.find("training.stepz"), std::string::npos) << unknown.err;
    const auto lone =
        call({"sample", "--checkpoint", run() + "/checkpoints/step-0000012", "--at-stage", "0", "--out", (m_folder / "o").string()});
    EXPECT_EQ(lone.status, 2);
    EXPECT_NE(lone.err.find("--at-stage needs a run"), std::string::npos) << lone.err;
}

TEST_F(Commands, DataPrepareSortsASetAndTakesUpAgainWhatIsMissing)
{
    const auto write = [&](const char* file, const char* text) {
        const auto path = m_folder / "birds" / file;
        fs::create_directories(path.parent_path());
        ASSERT_TRUE(writeFileAtomically(path, text));
    };
    write("images.txt", "1 001.Wren/a.jpg\n2 001.Wren/b.jpg\n");
    write("image_class_labels.txt", "1 1\n2 1\n");
    write("classes.txt", "1 001.Wren\n");
    write("train_test_split.txt", "1 1\n2 0\n");
    write("images/001.Wren/a.jpg", "a");
    const auto from = (m_folder / "birds").string(), to = (m_folder / "sorted").string();
    const auto lacking = call({"data", "prepare", "cub", "--from", from, "--to", to});
    EXPECT_EQ(lacking.status, 1);
    EXPECT_NE(lacking.out.find("missing: images/001.Wren/b.jpg"), std::string::npos) << lacking.out;
    write("images/001.Wren/b.jpg", "b");
    const auto whole = call({"data", "prepare", "cub", "--from", from, "--to", to, "--copy", "--json"});
    ASSERT_EQ(whole.status, 0) << whole.err;
    EXPECT_EQ(whole.json()["images"], (Json{{"train", 1}, {"val", 1}}));
    EXPECT_EQ(whole.json()["copied"], 1);
    EXPECT_EQ(whole.json()["kept"], 1);
    EXPECT_TRUE(fs::exists(fs::path(to) / "val/001.Wren/b.jpg"));
    EXPECT_EQ(call({"data", "prepare", "cub", "--from", from, "--to", to, "--split", "all"}).status, 2);
    EXPECT_EQ(call({"data", "prepare", "dogs", "--from", from, "--to", to}).status, 2);
    EXPECT_EQ(call({"data", "prepare", "cub", "--from", from}).status, 2);
}

TEST_F(Commands, DataPrepareStopsAtCtrlCAndGoesOnFromThere)
{
    constexpr int kImages = 3000;
    const auto from = m_folder / "art", to = m_folder / "sorted";
    fs::create_directories(from / "train/baroque");
    fs::create_directories(from / "test/baroque");
    for (int i = 0; i < kImages; ++i)
        std::ofstream(from / "train/baroque" / (std::to_string(i) + ".jpg")) << i;
    const std::vector<std::string> arguments{"data", "prepare", "artbench", "--from", from.string(), "--to", to.string(), "--copy"};
    CliProcess process(arguments, {}, m_folder / "stopped");
    ASSERT_TRUE(tests::eventually([&] { return fs::exists(to / "train/baroque/0.jpg"); }));
    process.signal(SIGINT);
    EXPECT_EQ(process.wait(), 1);
    EXPECT_NE(process.err().find("the same command goes on from there"), std::string::npos) << process.err();
    auto again = arguments;
    again.emplace_back("--json");
    const auto whole = call(again);
    ASSERT_EQ(whole.status, 0) << whole.err;
    EXPECT_GT(whole.json()["kept"], 0);
    EXPECT_GT(whole.json()["copied"], 0);
    EXPECT_EQ(whole.json()["images"]["train"], kImages);
}

TEST_F(Commands, ControlRefusesWhatTheStateDoesNotAllow)
{
    ASSERT_EQ(train().status, 0);
    for (const char* action : {"pause", "stop", "checkpoint", "sample"}) {
        const auto refused = call({"control", run(), action});
        EXPECT_EQ(refused.status, 1) << action;
        EXPECT_NE(refused.err.find("finished"), std::string::npos) << refused.err;
    }
    EXPECT_EQ(call({"control", run(), "dance"}).status, 2);
}

TEST_F(Commands, ControlPausesARunAndWaitsForIt)
{
    CliProcess training({"train", "--preset", "smoke", "--run", run(), "--devices", "cpu", "--set", "training.steps=100000", "--quiet"},
                        {{"FAKE_STEP_MS", "2"}}, m_folder / "train");
    ASSERT_TRUE(tests::eventually([&] { return runs::summarize(run()).progress.step > 3; }));
    const auto sampled = call({"sample", "--checkpoint", run(), "--json"});
    EXPECT_EQ(sampled.status, 0) << sampled.err;
    EXPECT_EQ(sampled.json()["samples"].size(), 1u) << sampled.out;
    const auto paused = call({"control", run(), "pause", "--wait", "--json"});
    EXPECT_EQ(paused.status, 0) << paused.err;
    EXPECT_EQ(paused.json()["state"], "paused");
    EXPECT_EQ(training.wait(), 0);
}

TEST_F(Commands, FollowAndInspectTellWhatARunDid)
{
    ASSERT_EQ(train().status, 0);
    const auto followed = call({"follow", run(), "--json"});
    ASSERT_EQ(followed.status, 0);
    EXPECT_EQ(static_cast<std::size_t>(std::count(followed.out.begin(), followed.out.end(), '\n')),
              runs::EventReader(fs::path(run()) / "events.jsonl").poll().size());
    const auto csv = call({"follow", run(), "--csv", "--tag", "loss/train"});
    EXPECT_TRUE(csv.out.starts_with("step,loss/train\n1,1\n")) << csv.out;
    EXPECT_EQ(std::count(csv.out.begin(), csv.out.end(), '\n'), 13);
    const auto inspected = call({"inspect", run(), "--json"}).json();
    EXPECT_EQ(inspected["state"], "finished");
    EXPECT_EQ(inspected["step"], 12);
    EXPECT_EQ(inspected["checkpoints"].size(), 2u);
}

TEST_F(Commands, PresetsAndBenchAnswerInJson)
{
    const auto listed = call({"presets", "--json"}).json();
    EXPECT_EQ(listed["presets"][0]["id"], "demo");
    EXPECT_EQ(call({"presets", "smoke", "--json"}).json()["settings"]["training"]["steps"], 12);
    const auto bench = call({"bench", "--batch", "2", "--steps", "3", "--json", "--quiet"});
    ASSERT_EQ(bench.status, 0) << bench.err;
    EXPECT_EQ(bench.json()["images_per_s"], 10.0);
    EXPECT_EQ(bench.json()["request"]["batch"], 2);
    EXPECT_EQ(call({"inspect", "smoke", "--json"}).json()["changed"]["training.steps"], 12);
    EXPECT_EQ(call({"doctor", "--quick", "--json"}).json()["checks"].size() > 3, true);
}

} // namespace espalier
