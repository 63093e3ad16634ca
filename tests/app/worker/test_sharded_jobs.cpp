// SPDX-License-Identifier: Apache-2.0
// Sampling and evaluation on several devices: what comes out is what one of them makes.
#include "core/formats/image_decode.h"
#include "tests/app/worker/real_run.h"

#include <algorithm>
#include <map>

namespace espalier {

class ShardedJobs : public RealRuns {
protected:
    void SetUp() override
    {
        RealRuns::SetUp();
        const auto trained = call(trainInto(m_run, {"--set", "training.steps=6", "--set", "samples.every=0"}));
        ASSERT_EQ(trained.status, 0) << trained.err;
    }
    std::vector<std::string> sample(const std::string& name, const std::string& devices, int count = 40, int steps = 3) const
    {
        return {"sample",
                "--checkpoint",
                m_run.root().string(),
                "--out",
                (m_folder / name).string(),
                "--num",
                std::to_string(count),
                "--steps",
                std::to_string(steps),
                "--threads",
                "1",
                "--npz",
                "--json",
                "--devices",
                devices};
    }
    Json evaluate(const std::string& devices, std::vector<std::string> more) const
    {
        std::vector<std::string> all{"evaluate", "--threads", "1", "--json", "--devices", devices};
        all.insert(all.end(), more.begin(), more.end());
        const auto done = call(all);
        EXPECT_EQ(done.status, 0) << done.err;
        return done.status == 0 ? done.json() : Json();
    }
    /// Every file below, with its bytes.
    static std::map<std::string, std::string> filesIn(const fs::path& folder)
    {
        std::map<std::string, std::string> files;
        for (const auto& entry : fs::recursive_directory_iterator(folder))
            if (entry.is_regular_file())
                files[entry.path().lexically_relative(folder).string()] = *readFile(entry.path());
        return files;
    }
    static pid_t helperOf(const CliProcess& process)
    {
        for (const auto pid : tests::childrenOf(process.pid()))
            if (const auto environment = readFile("/proc/" + std::to_string(pid) + "/environ", 1 << 20);
                environment && ('\0' + *environment).find(std::string("\0RANK=1\0", 8)) != std::string::npos)
                return pid;
        return -1;
    }

    const RunFolder m_run{m_folder / "run"};
};

TEST_F(ShardedJobs, ImagesAreTheSameWhateverTheNumberOfDevices)
{
    ASSERT_EQ(call(sample("one", "cpu")).status, 0);
    const auto one = filesIn(m_folder / "one");
    ASSERT_EQ(one.size(), 43u) << "40 images, their grid, npz and recipe";
    for (const std::string devices : {"cpu:2", "cpu:3"}) {
        const auto shared = call(sample(devices, devices));
        ASSERT_EQ(shared.status, 0) << shared.err;
        EXPECT_EQ(shared.json()["images"], 40);
        EXPECT_EQ(filesIn(m_folder / devices), one) << devices;
    }
    // Started once per rank, with the run's folder to meet in.
    const auto rank = [&](const std::string& which) {
        return std::make_unique<CliProcess>(sample("placed", "cpu"), tests::Environment{{"RANK", which}, {"WORLD_SIZE", "2"}},
                                            m_folder / ("rank" + which));
    };
    auto first = rank("1"), zero = rank("0");
    EXPECT_EQ(zero->wait(60s), 0) << zero->err();
    EXPECT_EQ(first->wait(60s), 0) << first->err();
    EXPECT_EQ(filesIn(m_folder / "placed"), one);
    EXPECT_FALSE(fs::exists(m_run.root() / "meeting.json"));
    runs::RunFollower follower(m_run.root());
    follower.poll();
    EXPECT_EQ(
        std::ranges::count_if(follower.events(), [](const auto& event) { return runs::eventAs<runs::SamplesDrawn>(event).has_value(); }), 4)
        << "one for each command, told by rank 0";
    EXPECT_EQ(follower.samples().size(), 1u) << "the same picture, drawn again";
}

TEST_F(ShardedJobs, NumbersAreThoseOfOneDevice)
{
    const auto fd = [&](const std::string& devices) {
        auto json =
            evaluate(devices, {"--checkpoint", m_run.root().string(), "--num", "32", "--out", (m_folder / ("fd" + devices)).string()});
        for (const auto* own : {"folder", "npz", "run"})
            json.erase(own);
        return json;
    };
    const auto one = fd("cpu");
    ASSERT_TRUE(one.contains("fd"));
    EXPECT_EQ(fd("cpu:2"), one);
    EXPECT_EQ(fd("cpu:3"), one);
    const auto bound = [&](const std::string& devices) {
        return evaluate(devices, {"--checkpoint", m_run.root().string(), "--metrics", "bpd", "--num", "60"})["bpd"];
    };
    EXPECT_EQ(bound("cpu:2"), bound("cpu")); // one piece: nothing to share
    const auto compare = [&](const std::string& devices) {
        return evaluate(devices,
                        {"--images", (m_folder / "fdcpu").string(), "--reference", (m_folder / "fdcpu:2" / "samples.npz").string()});
    };
    EXPECT_EQ(compare("cpu:2"), compare("cpu"));
}

TEST_F(ShardedJobs, ClassesAreCountedTogether)
{
    auto vit = Json::parse(*readFile(m_folder / "tiny.json"));
    vit["model"] = {{"kind", "vit"}, {"patch_size", 4}, {"hidden_size", 16}, {"depth", 2}, {"num_heads", 2}, {"num_classes", 10}};
    vit["data"]["garden_test"] = 200; // several pieces
    vit["training"]["steps"] = 8;
    vit["training"]["batch_size"] = 8;
    vit["evaluation"] = {{"every", 4}, {"images", 200}};
    ASSERT_TRUE(writeFileAtomically(m_folder / "vit.json", vit.dump()));
    const RunFolder run(m_folder / "vit");
    const auto trained =
        call({"train", "--config", (m_folder / "vit.json").string(), "--run", run.root().string(), "--quiet", "--devices", "cpu:2"});
    ASSERT_EQ(trained.status, 0) << trained.err;
    runs::RunFollower follower(run.root());
    follower.poll();
    ASSERT_EQ(follower.evaluations().size(), 2u);
    const auto last = follower.evaluations().back().evaluated;
    const auto count = [&](const std::string& devices) {
        auto json = evaluate(devices, {"--checkpoint", run.root().string(), "--out", (m_folder / devices).string()});
        json.erase("confusion");
        return json;
    };
    const auto one = count("cpu");
    EXPECT_EQ(one["images"], 200);
    EXPECT_EQ(count("cpu:3"), one);
    EXPECT_EQ(*readFile(m_folder / "cpu:3" / "confusion.csv"), *readFile(m_folder / "cpu" / "confusion.csv"));
    EXPECT_EQ(one["top1"].get<double>(), last.value) << "counted by two ranks while it trained";
    EXPECT_EQ(one["loss"].get<double>(), last.extra.at("loss").get<double>());
}

TEST_F(ShardedJobs, ATrainingDrawsAndMeasuresWithAllItsRanks)
{
    const RunFolder run(m_folder / "two");
    const auto trained = call(trainInto(run, {"--devices", "cpu:2", "--set", "training.steps=6", "--set", "samples.every=6", "--set",
                                              "samples.count=40", "--set", "evaluation.every=6", "--set", "evaluation.images=40"}));
    ASSERT_EQ(trained.status, 0) << trained.err;
    runs::RunFollower follower(run.root());
    follower.poll();
    ASSERT_EQ(follower.samples().size(), 2u) << "averaged and raw weights";
    ASSERT_EQ(follower.evaluations().size(), 1u);
    const auto averaged = std::ranges::find_if(follower.samples(), [](const auto& each) { return each.drawn.weights.starts_with("ema"); });
    ASSERT_NE(averaged, follower.samples().end());
    const auto grid = formats::decodeImageFile(run.root() / averaged->drawn.grid);
    ASSERT_TRUE(grid);
    const auto drawn = call({"sample", "--checkpoint", run.root().string(), "--num", "40", "--threads", "1", "--devices", "cpu", "--out",
                             (m_folder / "again").string()});
    ASSERT_EQ(drawn.status, 0) << drawn.err;
    const auto again = formats::decodeImageFile(m_folder / "again" / "grid.png");
    ASSERT_TRUE(again);
    EXPECT_EQ(grid->rgb, again->rgb) << "what one device draws of that checkpoint";
    const auto measured = evaluate("cpu", {"--checkpoint", run.root().string(), "--num", "40"});
    EXPECT_EQ(measured["fd"].get<double>(), follower.evaluations().front().evaluated.value);
}

TEST_F(ShardedJobs, OneThatIsKilledIsNamedAndTheOthersWorkIsKept)
{
    const auto straight = sample("straight", "cpu", 96, 50), disturbed = sample("disturbed", "cpu:2", 96, 50);
    ASSERT_EQ(call(straight).status, 0);
    {
        CliProcess process(disturbed, {{"ESPALIER_GRACE_SECONDS", "1"}}, m_folder / "start");
        ASSERT_TRUE(eventually([&] { return fs::exists(m_folder / "disturbed" / "00000.png"); }, 60s)) << process.err();
        const auto workers = tests::childrenOf(process.pid());
        ASSERT_EQ(workers.size(), 2u);
        const auto victim = helperOf(process);
        ASSERT_GT(victim, 0);
        ::kill(victim, SIGKILL);
        EXPECT_EQ(process.wait(20s), 1);
        EXPECT_NE(process.err().find("Worker 1 of sample was ended by SIGKILL"), std::string::npos) << process.err();
        for (const auto pid : workers)
            EXPECT_TRUE(eventually([&] { return ::kill(pid, 0) != 0 || tests::isZombie(pid); }, 5s)) << "a worker outlived its supervisor";
        EXPECT_FALSE(fs::exists(m_folder / "disturbed" / "samples.npz")) << "not all are there";
    }
    // The same command draws the rest.
    const auto rest = call(disturbed);
    ASSERT_EQ(rest.status, 0) << rest.err;
    EXPECT_EQ(filesIn(m_folder / "disturbed"), filesIn(m_folder / "straight"));
}

} // namespace espalier
