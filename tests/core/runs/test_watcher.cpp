// SPDX-License-Identifier: Apache-2.0
#include "core/runs/watcher.h"
#include "tests/core/runs/run_files.h"

#include <thread>

namespace espalier::runs {
using namespace std::chrono_literals;

class Watchers : public tests::RunFiles {};

TEST_F(Watchers, WakeOnAChange)
{
    FolderWatcher watcher;
    watcher.watch({m_folder, m_folder / "not there"});
    EXPECT_FALSE(watcher.wait({}, 1ms));
    const std::jthread other([&] { append(m_folder / "events.jsonl", "x"); });
    EXPECT_TRUE(watcher.wait({}, 5000ms));
    EXPECT_TRUE(watcher.changed().contains(m_folder));
    watcher.watch({});
    while (watcher.wait({}, 1ms)) {
    }
    append(m_folder / "events.jsonl", "x");
    EXPECT_FALSE(watcher.wait({}, 20ms));
}

TEST_F(Watchers, StopAtOnce)
{
    FolderWatcher watcher;
    std::stop_source stop;
    const auto begin = std::chrono::steady_clock::now();
    const std::jthread other([&] {
        std::this_thread::sleep_for(20ms);
        stop.request_stop();
    });
    EXPECT_FALSE(watcher.wait(stop.get_token(), 10'000ms));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    EXPECT_FALSE(watcher.wait(stop.get_token(), 10'000ms));
}

} // namespace espalier::runs
