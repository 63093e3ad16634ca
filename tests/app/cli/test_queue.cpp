// SPDX-License-Identifier: Apache-2.0
// Runs that wait for devices, over the fake worker.
#include "core/runs/device_locks.h"
#include "core/runs/queue.h"
#include "tests/app/cli/supervised_runs.h"

#include <csignal>

namespace espalier {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace runs;
using tests::CliProcess;
using tests::eventually;

class QueuedRuns : public tests::SupervisedRuns {
protected:
    void SetUp() override
    {
        SupervisedRuns::SetUp();
        ::setenv("ESPALIER_DEVICE_LOCKS", (m_folder / "devices").c_str(), 1);
    }
    void TearDown() override
    {
        ::unsetenv("ESPALIER_DEVICE_LOCKS");
        SupervisedRuns::TearDown();
    }
    RunFolder folder(const std::string& name) const { return RunFolder(m_folder / name); }
    std::unique_ptr<CliProcess> train(const std::string& name, int steps, std::vector<std::string> more = {"--queue"})
    {
        m_run = folder(name);
        return std::make_unique<CliProcess>(command(std::move(more), steps), tests::Environment{}, m_folder / ("start-" + name));
    }
    bool is(const std::string& name, RunState state, std::chrono::milliseconds limit = 10s)
    {
        m_run = folder(name);
        return reaches(state, limit);
    }
    Json queue(std::vector<std::string> more = {})
    {
        more.insert(more.begin(), "queue");
        more.push_back("--json");
        const auto said = call(more);
        EXPECT_EQ(said.status, 0) << said.err;
        return said.json();
    }
    std::vector<std::string> order()
    {
        std::vector<std::string> names;
        const auto said = queue();
        for (const auto& each : said["queue"])
            names.push_back(fs::path(each["run"].get<std::string>()).filename().string());
        return names;
    }
    double startOf(const std::string& name)
    {
        RunFollower follower(folder(name).root());
        follower.poll();
        for (const auto& event : follower.events())
            if (eventAs<Started>(event))
                return event.time;
        return 0.0;
    }
};

TEST_F(QueuedRuns, StartWhenTheirDevicesAreFreeInTheOrderOfTheQueue)
{
    auto first = train("first", 5000);
    ASSERT_TRUE(is("first", RunState::Training)) << first->err();
    auto second = train("second", 10);
    ASSERT_TRUE(is("second", RunState::Queued)) << second->err();
    auto third = train("third", 10);
    ASSERT_TRUE(is("third", RunState::Queued));
    EXPECT_EQ(order(), (std::vector<std::string>{"second", "third"}));
    EXPECT_EQ(queue({"move", "third", "--to", "1"})["queue"][0]["place"], 1);
    EXPECT_EQ(order(), (std::vector<std::string>{"third", "second"}));
    EXPECT_TRUE(is("second", RunState::Queued));
    first->signal(SIGTERM);
    EXPECT_EQ(first->wait(), 0);
    EXPECT_EQ(third->wait(), 0) << third->err();
    EXPECT_EQ(second->wait(), 0) << second->err();
    EXPECT_LT(startOf("third"), startOf("second"));
    EXPECT_TRUE(is("second", RunState::Finished));
    EXPECT_TRUE(order().empty());
}

TEST_F(QueuedRuns, WaitForRunsThatDidNotQueue)
{
    auto direct = train("direct", 5000, {});
    ASSERT_TRUE(is("direct", RunState::Training)) << direct->err();
    EXPECT_EQ(useOf("cpu").runs, std::vector<fs::path>{folder("direct").root()});
    EXPECT_NE(call({"devices"}).out.find("used by direct"), std::string::npos);
    auto beside = train("beside", 10, {}); // without --queue they share, as ever
    EXPECT_EQ(beside->wait(), 0) << beside->err();
    auto queued = train("queued", 10);
    ASSERT_TRUE(is("queued", RunState::Queued));
    const auto said = queue()["queue"][0];
    EXPECT_EQ(said["why"], "the CPU is used by direct");
    EXPECT_EQ(said["waits_for"]["all_of"], Json({"cpu"}));
    EXPECT_EQ(said["obstacles"][0]["used_by"], Json({folder("direct").root().string()}));
    EXPECT_TRUE(said["obstacles"][0]["kept_for"].is_null());
    ::kill(direct->pid(), SIGKILL); // its worker dies with it, and the lock with both
    EXPECT_EQ(queued->wait(), 0) << queued->err();
}

TEST_F(QueuedRuns, StartAtOnceWhenSomebodySaysSo)
{
    auto first = train("first", 5000);
    ASSERT_TRUE(is("first", RunState::Training)) << first->err();
    auto second = train("second", 5000);
    auto third = train("third", 10);
    ASSERT_TRUE(is("second", RunState::Queued) && is("third", RunState::Queued));
    EXPECT_EQ(queue({"start", "third"})["starting"], folder("third").root().string());
    EXPECT_EQ(third->wait(), 0) << third->err();
    EXPECT_TRUE(is("third", RunState::Finished));
    EXPECT_EQ(order(), std::vector<std::string>{"second"}) << "the others wait on";
    EXPECT_TRUE(is("first", RunState::Training)) << "and nobody was stopped";
    EXPECT_EQ(call({"queue", "start", "third"}).status, 2);
    EXPECT_EQ(queue({"start", "second"})["starting"], folder("second").root().string());
    ASSERT_TRUE(is("second", RunState::Training)) << second->err();
    for (auto* each : {&first, &second}) {
        (*each)->signal(SIGTERM);
        EXPECT_EQ((*each)->wait(), 0);
    }
}

TEST_F(QueuedRuns, AreTakenOutBySignalWishOrCommand)
{
    auto first = train("first", 5000);
    ASSERT_TRUE(is("first", RunState::Training));
    for (const std::string how : {"signal", "wish", "command"}) {
        auto waiting = train(how, 10);
        ASSERT_TRUE(is(how, RunState::Queued)) << waiting->err();
        if (how == "signal")
            waiting->signal(SIGINT);
        else if (how == "wish")
            EXPECT_EQ(call({"control", folder(how).root().string(), "stop", "--wait"}).status, 0);
        else
            EXPECT_EQ(queue({"remove", how})["removed"], folder(how).root().string());
        EXPECT_EQ(waiting->wait(), 1);
        EXPECT_TRUE(is(how, RunState::Stopped)) << how;
        EXPECT_TRUE(order().empty());
    }
    EXPECT_EQ(call({"queue", "remove", "nobody"}).status, 2);
    first->signal(SIGTERM);
    EXPECT_EQ(first->wait(), 0);
    // What was taken out can go on later.
    auto again = train("signal", 10);
    EXPECT_EQ(again->wait(), 0) << again->err();
}

TEST_F(QueuedRuns, ForgetProcessesThatAreGone)
{
    auto first = train("first", 5000);
    ASSERT_TRUE(is("first", RunState::Training));
    auto second = train("second", 10);
    ASSERT_TRUE(is("second", RunState::Queued));
    auto third = train("third", 10);
    ASSERT_TRUE(is("third", RunState::Queued));
    second->signal(SIGKILL);
    second->wait();
    EXPECT_EQ(order(), (std::vector<std::string>{"third"}));
    EXPECT_TRUE(is("second", RunState::Lost));
    first->signal(SIGTERM);
    first->wait();
    EXPECT_EQ(third->wait(), 0) << third->err();
}

TEST_F(QueuedRuns, OnlyTheFirstThatFitsTakesItsDevicesAllAtOnce)
{
    Queue queue(m_folder / "library");
    auto a = DeviceLocks::take({"GPU-a"}, DeviceLocks::How::Alone);
    ASSERT_TRUE(a);
    const auto both = queue.join("both", "0,1", {{"GPU-a", "GPU-b"}, false});
    const auto any = queue.join("any", "auto", {{"GPU-a", "GPU-b"}, true});
    const auto last = queue.join("last", "auto", {{"GPU-a", "GPU-b"}, true});
    ASSERT_TRUE(both && any && last);
    EXPECT_FALSE(queue.tryStart(both->id)->has_value()) << "one of its devices is in use";
    EXPECT_FALSE(isInUse("GPU-b")) << "and it holds none meanwhile";
    EXPECT_FALSE(queue.tryStart(last->id)->has_value()) << "GPU-b is for the one before it";
    {
        const auto taken = queue.tryStart(any->id);
        ASSERT_TRUE(taken->has_value());
        EXPECT_EQ((*taken)->devices(), std::vector<std::string>{"GPU-b"});
        EXPECT_TRUE(isInUse("GPU-b"));
        EXPECT_FALSE(queue.tryStart(last->id)->has_value());
    }
    a = Error{};
    EXPECT_FALSE(queue.tryStart(last->id)->has_value()) << "both are free now, for the first";
    EXPECT_TRUE(queue.tryStart(both->id)->has_value());
    EXPECT_EQ(queue.tryStart("taken-out").error().code, ErrorCode::Cancelled);
    ASSERT_TRUE(writeFileAtomically(queue.file(), "{\"tickets\": 5}"));
    ASSERT_FALSE(queue.tickets());
    EXPECT_NE(queue.tickets().error().message.find("queue.json"), std::string::npos);
}

TEST_F(QueuedRuns, ChooseAGpuAndSeeTheDriversNumbers)
{
    // The driver's library is found where the loader looks first.
    const auto drivers = m_folder / "drivers";
    fs::create_directories(drivers);
    fs::create_symlink(ESPALIER_FAKE_NVML, drivers / "libnvidia-ml.so.1");
    ::setenv("LD_LIBRARY_PATH", drivers.c_str(), 1);
    const auto listed = call({"devices", "--json"});
    EXPECT_EQ(listed.status, 0) << listed.err;
    ASSERT_EQ(listed.json()["gpus"].size(), 2u) << listed.out;
    EXPECT_EQ(listed.json()["gpus"][0]["load_percent"], 97);
    EXPECT_EQ(listed.json()["gpus"][0]["in_use"], false);
    EXPECT_TRUE(listed.json()["gpus"][1]["watts"].is_null());
    EXPECT_NE(call({"devices"}).out.find("97 % load, 64 °C, 312 W"), std::string::npos) << call({"devices"}).out;
    const auto devicesOf = [&](const std::string& name) {
        RunFollower follower(folder(name).root());
        follower.poll();
        for (const auto& event : follower.events())
            if (const auto started = eventAs<Started>(event))
                return started->devices;
        return std::string();
    };
    auto first = train("first", 5000, {"--queue", "--devices", "0"});
    ASSERT_TRUE(is("first", RunState::Training)) << first->err();
    EXPECT_EQ(devicesOf("first"), "cuda:0");
    EXPECT_TRUE(eventually([&] { // how it fares, as curves
        RunFollower follower(folder("first").root());
        follower.poll();
        const auto* load = follower.curve("gpu/rank_0/load");
        return load && load->size() > 0 && load->point(0).value == 97 && follower.curve("gpu/rank_0/watts");
    }));
    auto other = train("other", 5000, {"--queue", "--devices", "auto"});
    ASSERT_TRUE(is("other", RunState::Training)) << other->err();
    EXPECT_EQ(devicesOf("other"), "cuda:1");
    EXPECT_EQ(call({"devices", "--json"}).json()["gpus"][1]["in_use"], true);
    auto both = train("both", 10, {"--queue", "--devices", "0,1"});
    ASSERT_TRUE(is("both", RunState::Queued)) << both->err();
    for (auto* each : {&first, &other}) {
        (*each)->signal(SIGTERM);
        EXPECT_EQ((*each)->wait(), 0);
    }
    EXPECT_EQ(both->wait(), 0) << both->err();
    // Two ranks on one GPU, each with the whole machine before it but pointed at the same one.
    m_run = folder("same");
    std::vector<std::unique_ptr<CliProcess>> ranks;
    for (const std::string rank : {"0", "1"})
        ranks.push_back(std::make_unique<CliProcess>(command({"--devices", "auto"}, 10),
                                                     tests::Environment{{"RANK", rank}, {"WORLD_SIZE", "2"}, {"CUDA_VISIBLE_DEVICES", "1"}},
                                                     m_folder / ("same" + rank)));
    for (auto& each : ranks) {
        EXPECT_EQ(each->wait(), 2);
        EXPECT_NE(each->err().find("Ranks 0 and 1 would both train on GPU GPU-b"), std::string::npos) << each->err();
    }
    ::unsetenv("LD_LIBRARY_PATH");
}

TEST_F(QueuedRuns, AMachineWithoutGpusSaysSoInASentence)
{
    const auto listed = call({"devices", "--json"});
    EXPECT_EQ(listed.status, 0);
    if (!listed.json()["gpus"].empty())
        GTEST_SKIP() << "there are GPUs here";
    EXPECT_TRUE(listed.json()["why_no_gpu"].get<std::string>().starts_with("No GPU can be used")) << listed.out;
    EXPECT_GE(listed.json()["cpu"]["cores"], 1);
}

} // namespace espalier
