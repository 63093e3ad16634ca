// SPDX-License-Identifier: Apache-2.0
#include "core/machine/cpu.h"
#include "core/machine/disk.h"
#include "core/machine/identity.h"
#include "core/machine/memory.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>

namespace espalier::machine {

namespace {

/// A tree that looks like /proc and /sys/fs/cgroup.
class FakeSystem : public testing::Test {
protected:
    FakeSystem()
    {
        m_root = std::filesystem::temp_directory_path() / ("espalier-machine-" + std::to_string(getpid()));
        files = {m_root / "proc", m_root / "cgroup"};
        write("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    800 kB\n");
        write("proc/cpuinfo", "processor : 0\nmodel name\t: Fake CPU\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor : 1\n");
        write("cgroup/here", "");
    }
    ~FakeSystem() override { std::filesystem::remove_all(m_root); }
    void write(const std::string& path, const std::string& text)
    {
        std::filesystem::create_directories((m_root / path).parent_path());
        std::ofstream(m_root / path) << text;
    }
    SystemFiles files;

private:
    std::filesystem::path m_root;
};

} // namespace

TEST_F(FakeSystem, MemoryIsTheMachinesWithoutALimit)
{
    const auto memory = hostMemory(files);
    EXPECT_EQ(memory.totalBytes, 1000u * 1024);
    EXPECT_EQ(memory.availableBytes, 800u * 1024);
    EXPECT_FALSE(memory.limited);
    EXPECT_EQ(outOfMemoryKills(files), 0u);
}

TEST_F(FakeSystem, TheTightestControlGroupOfVersion2Counts)
{
    write("proc/self/cgroup", "0::/outer/inner\n");
    write("cgroup/cgroup.controllers", "cpu memory\n");
    write("cgroup/outer/memory.max", "500000\n");
    write("cgroup/outer/memory.current", "450000\n");
    write("cgroup/outer/memory.stat", "anon 1\ninactive_file 100000\n");
    write("cgroup/outer/inner/memory.max", "max\n");
    write("cgroup/outer/inner/memory.events", "low 0\noom 3\noom_kill 2\n");
    write("cgroup/outer/cpu.max", "100000 100000\n");
    write("proc/vmstat", "nr_free_pages 5\noom_kill 1\n");
    const auto memory = hostMemory(files);
    EXPECT_EQ(memory.totalBytes, 500000u);
    EXPECT_EQ(memory.availableBytes, 150000u);
    EXPECT_TRUE(memory.limited);
    EXPECT_EQ(outOfMemoryKills(files), 2u);
    EXPECT_EQ(cpu(files).cores, 1);
}

TEST_F(FakeSystem, ControlGroupsOfVersion1CountToo)
{
    write("proc/self/cgroup", "5:cpu,cpuacct:/job\n4:memory:/job\n0::/\n");
    write("cgroup/memory/job/memory.limit_in_bytes", "600000\n");
    write("cgroup/memory/job/memory.usage_in_bytes", "100000\n");
    write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    write("cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "50000\n");
    write("cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    write("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    const auto memory = hostMemory(files);
    EXPECT_EQ(memory.totalBytes, 600000u);
    EXPECT_EQ(memory.availableBytes, 500000u);
    EXPECT_EQ(cpu(files).cores, 1) << "half a core is one";
}

TEST_F(FakeSystem, NonsenseIsAsGoodAsNothing)
{
    write("proc/meminfo", "MemTotal: lots\nMemAvailable: 99999999999999999999 kB\n");
    write("proc/cpuinfo", "flags");
    write("proc/self/cgroup", "no colons\n0::/../../etc\n0::\n3:memory:/gone\n");
    write("cgroup/memory.max", "-5\n");
    write("cgroup/cpu.max", "0 0\n");
    EXPECT_EQ(hostMemory(files).totalBytes, 0u);
    EXPECT_GE(cpu(files).cores, 1);
    EXPECT_TRUE(cpu(files).features.empty());
    EXPECT_EQ(bootId(files), "");
    files = {"/nowhere", "/nowhere"};
    EXPECT_EQ(hostMemory(files).totalBytes, 0u);
    EXPECT_EQ(outOfMemoryKills(files), 0u);
    EXPECT_GE(cpu(files).cores, 1);
}

TEST_F(FakeSystem, CpuFeaturesAreRead)
{
    const auto found = cpu(files);
    EXPECT_EQ(found.model, "Fake CPU");
    EXPECT_EQ(found.features, (std::vector<std::string>{"avx2", "avx512f", "avx512_bf16"}));
    EXPECT_TRUE(found.fastBf16());
    EXPECT_FALSE(found.has("amx_bf16"));
    EXPECT_FALSE(found.has("avx"));
}

TEST(Machine, SaysSomethingSensibleAboutThisOne)
{
    const auto memory = hostMemory();
    EXPECT_GT(memory.totalBytes, std::uint64_t{64} << 20);
    EXPECT_GT(memory.availableBytes, 0u);
    EXPECT_LE(memory.availableBytes, memory.totalBytes);
    const auto processor = cpu();
    EXPECT_GE(processor.cores, 1);
    EXPECT_LE(processor.cores, processor.machineCores);
    EXPECT_FALSE(hostName().empty());
    EXPECT_EQ(bootId(), bootId());
}

TEST(Disk, SpaceOfAFolderThatIsNotThereYet)
{
    const auto there = diskSpace("/tmp"), later = diskSpace("/tmp/no/such/folder/yet"), here = diskSpace("relative/later");
    ASSERT_TRUE(there);
    ASSERT_TRUE(later) << later.error().message;
    ASSERT_TRUE(here) << here.error().message;
    EXPECT_EQ(there->totalBytes, later->totalBytes);
    EXPECT_GT(there->totalBytes, 0u);
    EXPECT_LE(there->freeBytes, there->totalBytes);
}

} // namespace espalier::machine
