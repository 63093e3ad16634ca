// SPDX-License-Identifier: Apache-2.0
#include "core/runs/confusion.h"
#include "core/runs/library.h"
#include "tests/app/worker/real_run.h"

namespace espalier {

/// A classifier and a network that draws, trained for a moment by the real worker.
class ClassifyRuns : public RealRuns {
protected:
    void SetUp() override
    {
        RealRuns::SetUp();
        const auto text = readFile(m_folder / "tiny.json");
        ASSERT_TRUE(text);
        auto vit = Json::parse(*text);
        vit["model"] = {{"kind", "vit"}, {"patch_size", 4}, {"hidden_size", 16}, {"depth", 2}, {"num_heads", 2}, {"num_classes", 10}};
        vit["training"]["steps"] = 8;
        vit["evaluation"] = {{"every", 4}, {"images", 60}};
        ASSERT_TRUE(writeFileAtomically(m_folder / "vit.json", vit.dump()));
        const auto trained = call({"train", "--config", (m_folder / "vit.json").string(), "--run", m_vit.root().string(), "--quiet"});
        ASSERT_EQ(trained.status, 0) << trained.err;
    }

    tests::CliResult evaluate(const std::vector<std::string>& more) const
    {
        std::vector<std::string> all{"evaluate", "--json", "--checkpoint"};
        all.insert(all.end(), more.begin(), more.end());
        return call(all);
    }

    const RunFolder m_vit{m_folder / "vit"};
};

TEST_F(ClassifyRuns, ARunIsMeasuredOnItsTestImages)
{
    runs::RunFollower follower(m_vit.root());
    follower.poll();
    ASSERT_EQ(follower.evaluations().size(), 2u);
    const auto last = follower.evaluations().back().evaluated;
    const auto again = evaluate({m_vit.root().string(), "--out", (m_folder / "out").string()});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_NEAR(again.json()["top1"].get<double>(), last.value, 1e-9) << "the same images as while it trained";
    EXPECT_NEAR(again.json()["loss"].get<double>(), last.extra.at("loss").get<double>(), 1e-5);
    EXPECT_EQ(again.json()["images"], 60);
    const auto table = runs::confusionFromCsv(*readFile(m_folder / "out" / "confusion.csv"));
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_EQ(table->classes.size(), 10u);
    follower.poll();
    EXPECT_EQ(follower.evaluations().size(), 3u);
    EXPECT_EQ(runs::summarize(m_vit.root()).bestMetricName, "top1");
    const auto distance = evaluate({m_vit.root().string(), "--metrics", "fid"});
    EXPECT_EQ(distance.status, 2);
    const auto drawn = call({"sample", "--checkpoint", m_vit.root().string(), "--out", (m_folder / "drawn").string()});
    EXPECT_NE(drawn.status, 0);
    EXPECT_NE(drawn.err.find("draw none"), std::string::npos) << drawn.err;
}

TEST_F(ClassifyRuns, DrawnImagesOfEachClassAreALabelledSet)
{
    const RunFolder run(m_folder / "unet");
    const auto trained = call(trainInto(run, {"--set", "training.steps=2", "--set", "model.num_classes=10", "--set", "samples.every=0"}));
    ASSERT_EQ(trained.status, 0) << trained.err;
    const auto out = m_folder / "samples";
    const auto drawn = call({"sample", "--checkpoint", run.root().string(), "--num", "20", "--class-folders", "--out", out.string()});
    ASSERT_EQ(drawn.status, 0) << drawn.err;
    std::size_t folders = 0;
    for (const auto& entry : fs::directory_iterator(out))
        folders += entry.is_directory() ? 1 : 0;
    EXPECT_EQ(folders, 10u);
    const auto measured = evaluate({m_vit.root().string() + "/checkpoints/step-0000008", "--data", out.string()});
    ASSERT_EQ(measured.status, 0) << measured.err;
    EXPECT_EQ(measured.json()["images"], 20);
    EXPECT_EQ(measured.json()["crop_ratio"], 1.0);

    // Half of the classes are told by their names; a class that the network does not know is refused by name.
    auto first = fs::directory_iterator(out);
    while (!first->is_directory())
        ++first;
    fs::rename(first->path(), out / "zeppelin");
    const auto unknown = evaluate({m_vit.root().string() + "/checkpoints/step-0000008", "--data", out.string()});
    EXPECT_EQ(unknown.status, 2);
    EXPECT_NE(unknown.err.find("zeppelin"), std::string::npos) << unknown.err;
    fs::remove_all(out / "zeppelin");
    const auto nine = evaluate({m_vit.root().string() + "/checkpoints/step-0000008", "--data", out.string()});
    ASSERT_EQ(nine.status, 0) << nine.err;
    EXPECT_EQ(nine.json()["images"], 18);
    const auto labelled = evaluate({run.root().string() + "/checkpoints/step-0000002", "--data", out.string()});
    EXPECT_NE(labelled.status, 0) << "it draws images";
}

} // namespace espalier
