// SPDX-License-Identifier: Apache-2.0
#include "core/runs/device_locks.h"

#include "core/base/files.h"
#include "core/runs/lease.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <unistd.h>

namespace espalier::runs {
namespace fs = std::filesystem;

class LocksOfDevices : public testing::Test {
protected:
    void SetUp() override { ::setenv("ESPALIER_DEVICE_LOCKS", m_folder.c_str(), 1); }
    void TearDown() override
    {
        ::unsetenv("ESPALIER_DEVICE_LOCKS");
        fs::remove_all(m_folder);
    }
    fs::path m_folder = fs::temp_directory_path() / ("espalier-locks-" + std::to_string(::getpid()));
};

TEST_F(LocksOfDevices, SayWhoseTheyAre)
{
    EXPECT_FALSE(useOf("GPU-a").inUse);
    EXPECT_FALSE(fs::exists(m_folder)) << "asking makes nothing";
    {
        const auto alone = DeviceLocks::take({"GPU-a", "GPU-b"}, DeviceLocks::How::Alone);
        ASSERT_TRUE(alone);
        EXPECT_TRUE(useOf("GPU-a").inUse) << "also before it has said its name";
        EXPECT_TRUE(useOf("GPU-a").runs.empty());
        alone->sayWho("/library/rose");
        EXPECT_EQ(useOf("GPU-b").runs, std::vector<fs::path>{"/library/rose"});
        EXPECT_FALSE(useOf("GPU-c").inUse);
    }
    // This process lives, so its line counts until the next one that has the device alone.
    const auto next = DeviceLocks::take({"GPU-a"}, DeviceLocks::How::Alone);
    ASSERT_TRUE(next);
    next->sayWho("/library/oak");
    EXPECT_EQ(useOf("GPU-a").runs, std::vector<fs::path>{"/library/oak"});
}

TEST_F(LocksOfDevices, AreSharedByRunsThatAllHaveNames)
{
    const auto one = DeviceLocks::take({"cpu"}, DeviceLocks::How::Shared), two = DeviceLocks::take({"cpu"}, DeviceLocks::How::Shared);
    ASSERT_TRUE(one && two);
    one->sayWho("/library/rose");
    two->sayWho("/library/oak");
    EXPECT_EQ(useOf("cpu").runs, (std::vector<fs::path>{"/library/rose", "/library/oak"}));
    EXPECT_FALSE(DeviceLocks::take({"cpu"}, DeviceLocks::How::Alone)) << "saying a name gives up no lock";
    // Many runs in a day do not make the file grow for ever, and those that live keep their names.
    for (int i = 0; i < 400; ++i) {
        std::ofstream(m_folder / "cpu.lock", std::ios::app) << R"({"pid":1,"start_ticks":1,"run":"/library/gone-)" << i << "\"}\n";
        if (i % 50 == 0)
            two->sayWho("/library/oak");
    }
    two->sayWho("/library/oak");
    EXPECT_LT(fs::file_size(m_folder / "cpu.lock"), 4096u);
    EXPECT_EQ(useOf("cpu").runs, (std::vector<fs::path>{"/library/rose", "/library/oak"}));
}

TEST_F(LocksOfDevices, BelieveNobodyWhoIsGone)
{
    fs::create_directories(m_folder);
    const auto ticks = std::to_string(startTicksOf(::getpid()));
    const auto line = [&](const std::string& pid, const std::string& start, const std::string& run) {
        return "{\"pid\":" + pid + ",\"start_ticks\":" + start + ",\"run\":" + run + "}\n";
    };
    ASSERT_TRUE(writeFileAtomically(m_folder / "GPU-a.lock",
                                    "not json\n[1]\n{\"pid\":\"x\"}\n" + line(std::to_string(::getpid()), "1", "\"/reused\"") +
                                        line("999999999", ticks, "\"/gone\"") + line("-1", ticks, "5") + std::string(3000, '[') + "\n"));
    EXPECT_FALSE(useOf("GPU-a").inUse);
    ASSERT_TRUE(writeFileAtomically(m_folder / "GPU-a.lock", line(std::to_string(::getpid()), ticks, "\"/mine\"") + "{\"pid\":"));
    EXPECT_EQ(useOf("GPU-a").runs, std::vector<fs::path>{"/mine"});
}

TEST_F(LocksOfDevices, AskingKeepsNobodyFromTakingThem)
{
    const auto shared = DeviceLocks::take({"cpu"}, DeviceLocks::How::Shared);
    ASSERT_TRUE(shared);
    for (int i = 0; i < 100; ++i) {
        const auto use = useOf("cpu"); // by somebody who looks every second
        ASSERT_TRUE(DeviceLocks::take({"cpu"}, DeviceLocks::How::Shared));
    }
}

} // namespace espalier::runs
