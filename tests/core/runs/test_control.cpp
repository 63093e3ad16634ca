// SPDX-License-Identifier: Apache-2.0
#include "core/runs/control.h"
#include "tests/core/runs/run_files.h"

namespace espalier::runs {
namespace fs = std::filesystem;

class Wishes : public tests::RunFiles {};

TEST_F(Wishes, AreTakenOnceInOrder)
{
    const auto run = newRun();
    const auto a = sendWish(run, WishKind::Checkpoint, {{"keep", true}});
    const auto b = sendWish(run, WishKind::Pause);
    ASSERT_TRUE(a && b);
    const auto taken = takeWishes(run);
    ASSERT_EQ(taken.wishes.size(), 2u);
    EXPECT_EQ(taken.wishes[0].id, *a);
    EXPECT_EQ(taken.wishes[0].options["keep"], true);
    EXPECT_EQ(taken.wishes[1].kind, WishKind::Pause);
    EXPECT_TRUE(taken.refused.empty());
    EXPECT_TRUE(takeWishes(run).wishes.empty());
}

TEST_F(Wishes, ThatMakeNoSenseAreRefusedByName)
{
    const auto run = newRun();
    append(run.controlFolder() / "a.json", "not json");
    append(run.controlFolder() / "b.json", R"({"wish": "explode"})");
    append(run.controlFolder() / "c.json", std::string(1 << 20, '['));
    append(run.controlFolder() / "d.json", R"({"wish": "stop", "options": [1]})");
    append(run.controlFolder() / "e.json", R"({"wish": "stop", "id": 7})");
    append(run.controlFolder() / ".f.json.part", R"({"wish": "stop"})");
    fs::create_directories(run.controlFolder() / "g.json");
    fs::create_symlink("/etc/hostname", run.controlFolder() / "h.json");
    const auto taken = takeWishes(run);
    EXPECT_EQ(taken.refused.size(), 6u);
    EXPECT_NE(taken.refused[1].find("b.json"), std::string::npos);
    ASSERT_EQ(taken.wishes.size(), 1u);
    EXPECT_EQ(taken.wishes[0].id, "e");
    EXPECT_TRUE(takeWishes(run).refused.empty());
    EXPECT_TRUE(fs::exists("/etc/hostname"));
}

TEST_F(Wishes, AreAboutAModuleOrTheWholeRun)
{
    const auto run = newRun();
    ASSERT_TRUE(sendWish(run, WishKind::Pause, {{"module", 2}}) && sendWish(run, WishKind::Start, {{"module", 0}}));
    ASSERT_TRUE(sendWish(run, WishKind::Pause) && sendWish(run, WishKind::Sample, {{"count", 4}}));
    const auto taken = takeWishes(run);
    ASSERT_EQ(taken.wishes.size(), 4u);
    EXPECT_EQ(moduleOf(taken.wishes[0]), 2);
    EXPECT_EQ(moduleOf(taken.wishes[1]), 0);
    EXPECT_EQ(moduleOf(taken.wishes[2]), std::nullopt);
    // What was meant for one module must not reach the whole run.
    for (const char* text : {R"({"wish": "pause", "options": {"module": "2"}})", R"({"wish": "pause", "options": {"module": -1}})",
                             R"({"wish": "stop", "options": {"module": 2}})", R"({"wish": "start"})"})
        EXPECT_FALSE(wishFromJson(Json::parse(text))) << text;
}

TEST_F(Wishes, NeedARun)
{
    EXPECT_FALSE(sendWish(RunFolder(m_folder / "none"), WishKind::Stop));
}

} // namespace espalier::runs
