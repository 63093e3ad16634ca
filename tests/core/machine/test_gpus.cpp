// SPDX-License-Identifier: Apache-2.0
#include "core/machine/gpus.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace espalier::machine {

TEST(Gpus, AreReadThroughTheDriversLibrary)
{
    const Gpus gpus(ESPALIER_FAKE_NVML);
    ASSERT_TRUE(gpus.available()) << gpus.reason();
    EXPECT_EQ(gpus.driverVersion(), "570.1");
    const auto found = gpus.read();
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].name, "Fake A");
    EXPECT_EQ(found[1].uuid, "GPU-b");
    EXPECT_EQ(found[1].index, 1);
    EXPECT_EQ(found[0].totalBytes, 80ull << 30);
    EXPECT_EQ(found[0].freeBytes, 79ull << 30);
    EXPECT_EQ(found[0].utilisationPercent, 97);
    EXPECT_EQ(found[0].celsius, 64);
    EXPECT_EQ(found[0].watts, 312.5);
    EXPECT_EQ(found[1].watts, std::nullopt);
}

TEST(Gpus, AMachineWithoutADriverHasNone)
{
    const Gpus gpus("libno-such-driver.so.1");
    EXPECT_FALSE(gpus.available());
    EXPECT_NE(gpus.reason().find("not installed"), std::string::npos);
    EXPECT_TRUE(gpus.read().empty());
    EXPECT_EQ(gpus.driverVersion(), "");
    const Gpus wrongLibrary("libm.so.6");
    EXPECT_NE(wrongLibrary.reason().find("too old"), std::string::npos);
    EXPECT_TRUE(wrongLibrary.read().empty());
}

TEST(Gpus, ADriverThatDoesNotStartSaysWhy)
{
    const std::pair<const char*, const char*> cases[] = {
        {"9", "not loaded"}, {"4", "/dev/nvidia"}, {"18", "Restart"}, {"999", "Unknown Error"}};
    for (const auto& [status, part] : cases) {
        setenv("FAKE_NVML_INIT", status, 1);
        const Gpus gpus(ESPALIER_FAKE_NVML);
        unsetenv("FAKE_NVML_INIT");
        EXPECT_FALSE(gpus.available());
        EXPECT_NE(gpus.reason().find(part), std::string::npos) << gpus.reason();
        EXPECT_TRUE(gpus.read().empty());
    }
}

TEST(Gpus, TheRealDriverAnswersOrIsAbsent)
{
    const Gpus gpus;
    if (!gpus.available())
        GTEST_SKIP() << gpus.reason();
    for (const auto& gpu : gpus.read()) {
        EXPECT_TRUE(gpu.uuid.starts_with("GPU-")) << gpu.uuid;
        EXPECT_GT(gpu.totalBytes, std::uint64_t{1} << 30);
        EXPECT_LE(gpu.freeBytes, gpu.totalBytes);
    }
}

} // namespace espalier::machine
