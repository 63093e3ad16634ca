// SPDX-License-Identifier: Apache-2.0
// A U-Net that is assembled from its levels, and what becomes of a module whose loss is no number.
#include "tests/app/worker/real_run.h"

#include <cstring>
#include <limits>
#include <map>

namespace espalier {

class AssemblingUNets : public RealRuns {
protected:
    std::string at(const char* name) const { return (m_folder / name).string(); }
    /// Two levels of two blocks; each phase takes `steps` steps.
    std::vector<std::string> assembled(const std::string& run, const std::vector<std::string>& more, const char* steps = "4") const
    {
        std::vector<std::string> flags;
        const std::string length = steps;
        for (const auto& setting : {std::string("model.num_res_blocks=2"), std::string("schedule.kind=assembled"),
                                    "schedule.pt.steps=" + length, "schedule.mt.steps=" + length, "schedule.ft.steps=" + length,
                                    std::string("checkpoints.every=0"), std::string("samples.every=0")}) {
            flags.emplace_back("--set");
            flags.push_back(setting);
        }
        flags.insert(flags.end(), more.begin(), more.end());
        return trainInto(RunFolder(m_folder / run), flags);
    }
    void train(const char* run, const std::vector<std::string>& more) const
    {
        const auto trained = call(assembled(run, more));
        ASSERT_EQ(trained.status, 0) << run << ": " << trained.err;
    }
    /// The bytes of all tensors of a file, which stand there in any order.
    std::map<std::string, std::string> tensorsIn(const char* file) const
    {
        std::map<std::string, std::string> all;
        const auto reader = formats::SafetensorsReader::open(at(file));
        EXPECT_TRUE(reader) << file;
        if (!reader)
            return all;
        for (const auto& entry : reader->entries()) {
            const auto bytes = reader->bytes(entry);
            EXPECT_TRUE(bytes) << entry.name;
            if (bytes)
                all[entry.name] = std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
        }
        return all;
    }
    Json told(const std::vector<std::string>& command) const
    {
        auto all = command;
        all.emplace_back("--json");
        const auto said = call(all);
        EXPECT_EQ(said.status, 0) << said.err;
        return said.json();
    }
};

TEST_F(AssemblingUNets, FromGardenImagesToDrawnOnes)
{
    train("run", {});
    const RunFolder run(m_folder / "run");
    EXPECT_EQ(stateOf(run), runs::RunState::Finished);
    EXPECT_EQ(Json::parse(*readFile(run.root() / "config.json"))["config"]["schedule"]["modules"], 2) << "its levels";
    const auto drawn = call({"sample", "--checkpoint", at("run"), "--num", "2", "--sampler", "ddim", "--steps", "2", "--out", at("drawn")});
    ASSERT_EQ(drawn.status, 0) << drawn.err;
    EXPECT_FALSE(fs::is_empty(at("drawn")));
    // What module 1 left: level 1 is as deep as in the whole, the rest is the meta model's.
    const auto module = run.branch("module-1").checkpointFolder(8).string();
    const auto inspected = told({"inspect", module});
    EXPECT_EQ(inspected["model"]["name"], "U-Net 32·1,2 with 1,2 blocks at 16²");
    EXPECT_EQ(inspected["assembling"]["module"], 1);
    EXPECT_TRUE(inspected["whole"]);
    EXPECT_NE(call({"inspect", module}).out.find("module    1 of 2"), std::string::npos);
    const auto half = call({"sample", "--checkpoint", module, "--num", "2", "--sampler", "ddim", "--steps", "2", "--out", at("half")});
    EXPECT_EQ(half.status, 0) << half.err;
    const auto distance = call({"evaluate", "--checkpoint", module, "--num", "16", "--steps", "2"});
    EXPECT_EQ(distance.status, 0) << distance.err;
    ASSERT_EQ(call({"export", module, "--weights", "raw", "--to", "pt", "--out", at("module.pt")}).status, 0);
    EXPECT_EQ(told({"inspect", at("module.pt")})["model"]["name"], "U-Net 32·1,2 with 1,2 blocks");
    // Codes that have no such network say so.
    const auto published = call({"export", at("run"), "--to", "deep-incubation", "--out", at("x.pth")});
    EXPECT_EQ(published.status, 2);
    EXPECT_NE(published.err.find("cannot be written as deep-incubation: that code has the ViT"), std::string::npos) << published.err;
    const auto uneven = call({"export", module, "--to", "ddpm-torch", "--out", at("x.pt")});
    EXPECT_EQ(uneven.status, 2);
    EXPECT_NE(uneven.err.find("as many blocks in each level"), std::string::npos) << uneven.err;
    EXPECT_FALSE(fs::exists(at("x.pth")) || fs::exists(at("x.pt")));
    const auto plan = call({"inspect", at("run")});
    EXPECT_NE(plan.out.find("module-0: U-Net 32·1,2 with 2,1 blocks at 16²"), std::string::npos) << plan.out;
}

TEST_F(AssemblingUNets, PhasesAreTrainedApartJoinedAndSwapped)
{
    train("meta", {"--phase", "PT"});
    train("m0", {"--phase", "MT", "--module", "0", "--meta", at("meta")});
    train("m1", {"--phase", "MT", "--module", "1", "--meta", at("meta")});
    ASSERT_EQ(call({"export", at("m1"), "--weights", "raw", "--out", at("m1.safetensors")}).status, 0);
    const auto joined = told({"assemble", "--modules", at("m0"), at("m1"), "--out", at("a.safetensors")});
    EXPECT_EQ(joined["division"], (Json{2, 2}));
    train("whole", {"--phase", "FT", "--modules", at("m0"), at("m1.safetensors"), "--set", "schedule.ft.learning_rate=0"});
    // Trained at a rate of 0 the assembled model is the joined one, whatever form a module came in.
    ASSERT_EQ(call({"export", at("whole"), "--weights", "raw", "--out", at("b.safetensors")}).status, 0);
    EXPECT_TRUE(tensorsIn("a.safetensors") == tensorsIn("b.safetensors"));
    // Files that say nothing of modules are told apart by the blocks of their levels.
    for (const auto* name : {"m0", "m1"})
        ASSERT_EQ(call({"export", at(name), "--weights", "raw", "--to", "pt", "--out", at(name) + ".pt"}).status, 0);
    ASSERT_EQ(call({"assemble", "--modules", at("m0.pt"), at("m1.pt"), "--out", at("c.safetensors")}).status, 0);
    EXPECT_TRUE(tensorsIn("a.safetensors") == tensorsIn("c.safetensors"));
    train("run", {"--set", "seed=8"});
    const auto run = call({"assemble", at("run"), "--out", at("d.safetensors")});
    ASSERT_EQ(run.status, 0) << run.err;
    const auto swapped = call({"assemble", at("run"), "--swap", "1=" + at("m1"), "--out", at("e.safetensors")});
    ASSERT_EQ(swapped.status, 0) << swapped.err;
    EXPECT_FALSE(tensorsIn("d.safetensors") == tensorsIn("e.safetensors"));

    const std::pair<std::vector<std::string>, const char*> refused[] = {
        {{"assemble", "--modules", at("m1"), at("m0"), "--out", at("x.pt")}, "has no stage module-0"},
        {{"assemble", "--modules", at("m1.pt"), at("m0.pt"), "--out", at("x.pt")}, "cannot be module 0: it is module 1"},
        {{"assemble", at("run"), "--swap", "0=" + at("m1.safetensors"), "--out", at("x.pt")}, "cannot be module 0: it is module 1"},
        {{"assemble", "--modules", at("m0"), "--out", at("x.pt")}, "has 2 modules, and 1 were named"},
        {{"assemble", at("run"), "--to", "deep-incubation", "--out", at("x.pth")}, "that code has the ViT"},
        {assembled("x", {"--phase", "FT", "--modules", at("m0")}), "a place for each of the 2 modules"},
        {assembled("x", {"--phase", "MT", "--module", "0", "--meta", at("m1")}), "The run m1 has no stage meta"},
        {assembled("x", {"--phase", "MT", "--module", "0", "--meta", at("m1.safetensors")}), "cannot be the meta model: it is module 1"},
        {assembled("x", {"--phase", "MT", "--module", "2", "--meta", at("meta")}), "schedule.module must be from 0 to 1"},
        {assembled("x", {"--set", "schedule.modules=4"}), "schedule.modules must be 2, the levels of the U-Net"},
        {assembled("x", {"--phase", "MT", "--meta", at("meta"), "--set", "model.hid_channels=64"}), "the model is 64 channels wide"}};
    for (const auto& [command, why] : refused) {
        const auto said = call(command);
        EXPECT_EQ(said.status, 2) << why << " " << said.err;
        EXPECT_NE(said.err.find(why), std::string::npos) << said.err;
        EXPECT_FALSE(fs::exists(at("x")) || fs::exists(at("x.pt")) || fs::exists(at("x.pth")));
    }
}

TEST_F(AssemblingUNets, AKillInsideAModuleCostsThatModuleAlone)
{
    const RunFolder straight(m_folder / "straight"), killed(m_folder / "killed");
    const std::vector<std::string> often{"--set", "checkpoints.every=5"};
    ASSERT_EQ(call(assembled("straight", often, "30")).status, 0);
    const auto second = killed.branch("module-1");
    CliProcess process(assembled("killed", often, "30"), {}, m_folder / "start");
    ASSERT_TRUE(eventually([&] { return !runs::storedCheckpoints(second).empty(); }, 90s)) << process.err();
    for (const auto pid : tests::processesIn(killed.root()))
        ::kill(pid, SIGKILL);
    EXPECT_NE(process.wait(15s), 0);
    const auto finished = call(assembled("killed", often, "30"));
    ASSERT_EQ(finished.status, 0) << finished.err;
    EXPECT_EQ(shardsOf(straight, 90), shardsOf(killed, 90));
    EXPECT_FALSE(shardsOf(straight, 90).is_null());
    for (const auto* module : {"module-0", "module-1"})
        EXPECT_EQ(shardsOf(straight.branch(module), 60), shardsOf(killed.branch(module), 60)) << module;
    expectAllReadable(killed);
}

namespace {

/// A safetensors file with one value of a tensor made no number.
std::string poisoned(std::string file, const std::string& tensor)
{
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof length);
    const auto header = Json::parse(file.substr(sizeof length, length));
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const auto begin = header.at(tensor).at("data_offsets").at(0).get<std::uint64_t>();
    std::memcpy(file.data() + sizeof length + length + begin, &nan, sizeof nan);
    return file;
}

} // namespace

TEST_F(AssemblingUNets, AModuleWhoseLossIsNoNumberIsLeftBehindAndTrainedWhenTheRunIsResumed)
{
    train("meta", {"--phase", "PT"});
    const fs::path file = at("meta.safetensors");
    ASSERT_EQ(call({"export", at("meta"), "--weights", "raw", "--out", file.string()}).status, 0);
    const auto good = *readFile(file);
    const std::vector<std::string> more{"--meta", file.string(), "--set", "training.bad_steps=0", "--set", "checkpoints.every=2"};
    ASSERT_EQ(call(assembled("straight", more)).status, 0);
    // Module 0 trains beside the meta model's level 1, which holds a value that is no number; module 1 takes that level's place.
    ASSERT_TRUE(writeFileAtomically(file, poisoned(good, "middle.0.conv1.weight")));
    const RunFolder straight(m_folder / "straight"), run(m_folder / "run");
    const auto first = call(assembled("run", more));
    EXPECT_EQ(first.status, 1) << first.err;
    EXPECT_NE(first.err.find("module-0"), std::string::npos) << first.err;
    EXPECT_EQ(first.err.find("module-1: "), std::string::npos) << first.err;
    EXPECT_EQ(stateOf(run), runs::RunState::Failed);
    const auto lost = run.branch("module-0"), ended = run.branch("module-1");
    EXPECT_EQ(shardsOf(ended, 4), shardsOf(straight.branch("module-1"), 4)) << "the other one went on to its end";
    ASSERT_FALSE(shardsOf(ended, 4).is_null());
    EXPECT_TRUE(runs::storedCheckpoints(lost).empty()) << "no weights that are no numbers are kept";
    EXPECT_TRUE(runs::storedCheckpoints(run).empty()) << "the whole model waits for all of its modules";
    // Once more, and still: what has ended is left as it is.
    const auto written = *readFile(ended.checkpointFolder(4) / "manifest.json");
    EXPECT_EQ(call(assembled("run", more)).status, 1);
    // The meta model is mended.
    ASSERT_TRUE(writeFileAtomically(file, good));
    const auto resumed = call(assembled("run", more));
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(stateOf(run), runs::RunState::Finished);
    EXPECT_EQ(shardsOf(run, 8), shardsOf(straight, 8));
    EXPECT_EQ(shardsOf(lost, 4), shardsOf(straight.branch("module-0"), 4));
    EXPECT_EQ(*readFile(ended.checkpointFolder(4) / "manifest.json"), written);
    runs::RunFollower follower(ended.root());
    follower.poll();
    EXPECT_EQ(follower.stages().size(), 1u) << "trained once";
    expectAllReadable(run);
}

} // namespace espalier
