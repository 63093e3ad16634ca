// SPDX-License-Identifier: Apache-2.0
#include "core/config/devices.h"

#include <gtest/gtest.h>

namespace espalier::config {

TEST(Devices, ReadsWhatItWrites)
{
    const std::pair<const char*, DeviceAsk> cases[] = {{"auto", {DeviceKind::Auto, 1, {}}},
                                                       {"cpu", {DeviceKind::Cpu, 1, {}}},
                                                       {"cpu:4", {DeviceKind::Cpu, 4, {}}},
                                                       {"0", {DeviceKind::Gpu, 1, {0}}},
                                                       {"3,1,0", {DeviceKind::Gpu, 3, {3, 1, 0}}}};
    for (const auto& [text, ask] : cases) {
        const auto read = parseDevices(text);
        ASSERT_TRUE(read) << text;
        EXPECT_EQ(*read, ask) << text;
        EXPECT_EQ(devicesText(*read), text);
    }
}

TEST(Devices, RefusesAnythingElseInOneSentence)
{
    for (const char* text : {"", "gpu", "cpu:", "cpu:0", "cpu:-1", "cpu:1025", "cpu:2x", "0,", ",0", "0,,1", "-1", "0;1", "1e3",
                             "99999999999", "CPU", " 0", "0,1 "}) {
        const auto read = parseDevices(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, ErrorCode::Usage);
        EXPECT_TRUE(read.error().message.starts_with("devices must be auto, cpu, cpu:N")) << read.error().message;
    }
    EXPECT_NE(parseDevices("0,1,0").error().message.find("GPU 0 twice"), std::string::npos);
}

} // namespace espalier::config
