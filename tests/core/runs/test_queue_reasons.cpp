// SPDX-License-Identifier: Apache-2.0
#include "core/runs/queue_reasons.h"

#include <gtest/gtest.h>

namespace espalier::runs {
namespace {

Ticket ticket(const std::string& name, std::vector<std::string> devices, bool anyOne = false, const std::string& host = "here")
{
    Ticket made;
    made.id = name;
    made.run = "/library/" + name;
    made.wish = {std::move(devices), anyOne};
    made.host = host;
    return made;
}

const std::map<std::string, std::string> kNames{{"GPU-a", "GPU 0"}, {"GPU-b", "GPU 1"}, {"GPU-c", "GPU 2"}};

struct Reasons {
    std::vector<Ticket> tickets;
    std::vector<Waiting> waiting;
    std::string of(std::size_t at) const { return waitText(waiting[at], tickets, tickets[at], kNames); }
};

Reasons reasons(std::vector<Ticket> tickets, std::map<std::string, std::vector<std::filesystem::path>> used)
{
    auto waiting = whyTheyWait(tickets, "here", [&](const std::string& device) {
        const auto at = used.find(device);
        return at == used.end() ? DeviceUse{} : DeviceUse{true, at->second};
    });
    return {std::move(tickets), std::move(waiting)};
}

} // namespace

TEST(QueueReasons, NameTheRunThatUsesTheDevice)
{
    const auto all = reasons({ticket("both", {"GPU-a", "GPU-b"}), ticket("workers", {"cpu", "cpu"})},
                             {{"GPU-b", {"/library/dit", "/other/vit"}}, {"cpu", {}}});
    EXPECT_EQ(all.of(0), "GPU 1 is used by dit and vit");
    EXPECT_EQ(all.of(1), "the CPU is used by another run");
}

TEST(QueueReasons, FollowWhoComesFirst)
{
    // One that needs two devices waits for the second and holds none; the next takes the first of them; the last finds both gone.
    const auto all = reasons({ticket("both", {"GPU-a", "GPU-b"}), ticket("one", {"GPU-a", "GPU-b"}, true), ticket("last", {"GPU-a"})},
                             {{"GPU-b", {"/library/dit"}}});
    EXPECT_EQ(all.of(0), "GPU 1 is used by dit");
    EXPECT_EQ(all.of(1), "starts in a moment: its devices are free");
    EXPECT_EQ(all.of(2), "GPU 0 is kept for one, which comes first");
}

TEST(QueueReasons, AnyOneWaitsForAll)
{
    const auto all = reasons(
        {ticket("first", {"GPU-a", "GPU-b"}, true), ticket("second", {"GPU-a", "GPU-b"}, true), ticket("third", {"GPU-a", "GPU-b"}, true)},
        {{"GPU-a", {"/library/dit"}}});
    EXPECT_TRUE(all.waiting[0].obstacles.empty());
    EXPECT_EQ(all.of(1), "GPU 0 is used by dit; GPU 1 is kept for first, which comes first");
    EXPECT_EQ(all.waiting[2].obstacles, all.waiting[1].obstacles);
    const auto free = reasons({ticket("first", {"GPU-a", "GPU-b"}, true), ticket("second", {"GPU-a", "GPU-b"}, true)}, {});
    EXPECT_TRUE(free.waiting[1].obstacles.empty()) << "the first takes one of two";
    EXPECT_EQ(wishText(all.tickets[0].wish, kNames), "any one of GPU 0 and GPU 1");
    EXPECT_EQ(wishText({{"GPU-a", "GPU-b", "GPU-c"}, false}, kNames), "GPU 0, GPU 1 and GPU 2");
    EXPECT_EQ(wishText({{"cpu", "cpu"}, false}, kNames), "the CPU");
}

TEST(QueueReasons, LeaveOtherMachinesToThemselves)
{
    const auto all = reasons({ticket("far", {"GPU-a"}, false, "node7"), ticket("near", {"GPU-a"})}, {});
    EXPECT_EQ(all.of(0), "waits on node7 for a device there");
    EXPECT_TRUE(all.waiting[1].obstacles.empty()) << "it takes nothing of this machine";
}

} // namespace espalier::runs
