// SPDX-License-Identifier: Apache-2.0
// Weights that a run cannot begin with leave no run behind.
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/formats/safetensors.h"
#include "core/shapes/parameters.h"
#include "tests/app/cli/supervised_runs.h"

namespace espalier::tests {
namespace {

class FirstWeights : public SupervisedRuns {
protected:
    static shapes::ModelShape smoke() { return shapes::shapeOf(*config::read(config::findPreset("smoke")->overlay)); }

    std::filesystem::path write(const char* name, const shapes::ModelShape& shape) const
    {
        std::vector<formats::SafetensorsItem> items;
        for (const auto& parameter : shapes::parameterTable(shape))
            items.push_back({parameter.name, formats::DType::F32, parameter.shape,
                             [zeros = std::vector<float>(static_cast<std::size_t>(parameter.elements()))] {
                                 return Result<std::span<const std::byte>>(std::as_bytes(std::span(zeros)));
                             }});
        EXPECT_TRUE(formats::writeSafetensors(m_folder / name, std::move(items)));
        return m_folder / name;
    }
    void expectRefused(const std::filesystem::path& from, std::initializer_list<const char*> parts, std::vector<std::string> more = {})
    {
        more.insert(more.begin(), {"--init", from.string()});
        const auto done = call(command(std::move(more)));
        EXPECT_EQ(done.status, 2) << done.err;
        EXPECT_NE(done.err.find("init.from: "), std::string::npos) << done.err;
        for (const auto* part : parts)
            EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
        EXPECT_FALSE(std::filesystem::exists(m_run.root())) << done.err;
    }
};

TEST_F(FirstWeights, ThatCannotWorkAreRefusedBeforeAFolderIsMade)
{
    expectRefused(m_folder / "nothing.pt", {"There is no run, checkpoint or file"});
    ASSERT_TRUE(writeFileAtomically(m_folder / "page.pt", "<html>"));
    const auto page = call(command({"--init", (m_folder / "page.pt").string()}));
    EXPECT_NE(page.status, 0);
    EXPECT_FALSE(std::filesystem::exists(m_run.root()));

    const auto vit = write("vit.safetensors", {3, 0, 16, config::VitConfig{.hiddenSize = 64, .depth = 2, .numHeads = 1}});
    expectRefused(vit, {"vit.safetensors holds a ViT", "and this run trains a U-Net 32·1,1"});
    expectRefused(vit, {"no tensor fits a U-Net 32·1,1"}, {"--set", "init.misfits=skip"});
}

TEST_F(FirstWeights, OfARunWithoutACheckpointAreNone)
{
    const auto parent = m_run;
    ASSERT_EQ(call(command({"--set", "checkpoints.every=0"}, 1)).status, 0);
    std::filesystem::remove_all(parent.checkpointsFolder());
    m_run = runs::RunFolder(m_folder / "child");
    expectRefused(parent.root(), {"has no checkpoint yet"});
}

TEST_F(FirstWeights, ThatTheWorkerRefusesLeaveNoRunBehind)
{
    const auto good = write("good.safetensors", smoke()).string();
    const Environment refuses{{"FAKE_CRASH_AT", "1"}, {"FAKE_CRASH", "usage"}};
    const auto refused = call(command({"--init", good}), refuses);
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.err.find("no GPU 9"), std::string::npos) << refused.err;
    EXPECT_FALSE(std::filesystem::exists(m_run.root()));

    // A folder that was there before stays, and so does a run that has something to show or ended in another way.
    std::filesystem::create_directories(m_run.root());
    EXPECT_EQ(call(command({"--init", good}), refuses).status, 2);
    EXPECT_TRUE(std::filesystem::exists(m_run.identityFile()));
    m_run = runs::RunFolder(m_folder / "later");
    EXPECT_EQ(call(command({"--init", good}), {{"FAKE_CRASH_AT", "12"}, {"FAKE_CRASH", "usage"}}).status, 2);
    EXPECT_TRUE(std::filesystem::exists(m_run.identityFile()));
    m_run = runs::RunFolder(m_folder / "crashed");
    EXPECT_EQ(call(command({"--init", good}), {{"FAKE_CRASH_AT", "1"}, {"FAKE_CRASH", "segv"}}).status, 1);
    EXPECT_TRUE(std::filesystem::exists(m_run.logFile()));
    EXPECT_EQ(call(command({"--init", good})).status, 0) << "it goes on";
}

} // namespace
} // namespace espalier::tests
