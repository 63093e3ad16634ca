// SPDX-License-Identifier: Apache-2.0
#include "core/runs/run_folder.h"
#include "tests/core/runs/run_files.h"

#include <cstdlib>

namespace espalier::runs {
namespace fs = std::filesystem;

class RunFolders : public tests::RunFiles {};

TEST_F(RunFolders, BelongToOneRun)
{
    const auto run = newRun();
    const auto identity = readIdentity(run);
    ASSERT_TRUE(identity);
    EXPECT_EQ(identity->runId.size(), 32u);
    EXPECT_GT(identity->created, 1.6e9);
    const auto again = createRunFolder(run.root(), Json::object());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ErrorCode::Usage);
}

TEST_F(RunFolders, RefuseAFolderWithOtherThings)
{
    fs::create_directories(m_folder / "full");
    append(m_folder / "full" / "thesis.tex", "x");
    const auto made = createRunFolder(m_folder / "full", Json::object());
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find("thesis.tex"), std::string::npos);
    EXPECT_FALSE(isRunFolder(m_folder / "full"));
}

TEST_F(RunFolders, AreNotThoseOfDiffusers)
{
    fs::create_directories(m_folder / "transformer");
    append(m_folder / "transformer" / "config.json", "{}");
    EXPECT_TRUE(isRunFolder(m_folder / "transformer"));
    append(m_folder / "transformer" / "diffusion_pytorch_model.bin", "x");
    EXPECT_FALSE(isRunFolder(m_folder / "transformer"));
}

TEST_F(RunFolders, NameStepsAndTagsSafely)
{
    const RunFolder run(m_folder / "a");
    EXPECT_EQ(run.relative(run.checkpointFolder(100)), "checkpoints/step-0000100");
    EXPECT_EQ(run.relative(run.samplesFolder(2, 50000)), "samples/stage-02/step-0050000");
    EXPECT_EQ(run.relative(run.scalarsFile(3, "loss/train")), "scalars/3/loss.train.bin");
    EXPECT_EQ(stepOfName("step-0000100"), 100);
    EXPECT_EQ(stepOfName("step-12x"), -1);
    EXPECT_EQ(stepOfName("step--5"), -1);
    EXPECT_EQ(tagFileName("../../etc"), "%2E%2E.%2E%2E.etc");
    EXPECT_NE(tagFileName("a/b"), tagFileName("a.b"));
    EXPECT_EQ(safeName("../My run, №1"), "My-run-1");
    EXPECT_EQ(safeName("///"), "run");
}

TEST_F(RunFolders, NewNamesAreFree)
{
    const auto first = newRunPath(m_folder, "demo");
    EXPECT_TRUE(first.filename().string().starts_with("demo-20"));
    fs::create_directories(first);
    EXPECT_NE(newRunPath(m_folder, "demo"), first);
}

TEST_F(RunFolders, AreFoundByFolderOrName)
{
    const auto run = newRun("mine");
    ::setenv("ESPALIER_LIBRARY", m_folder.c_str(), 1);
    EXPECT_TRUE(findRun("mine"));
    EXPECT_TRUE(findRun((m_folder / "mine").string()));
    EXPECT_FALSE(findRun("other"));
    ::unsetenv("ESPALIER_LIBRARY");
}

TEST_F(RunFolders, ANewerRunIsRefused)
{
    const auto run = newRun();
    ASSERT_TRUE(writeFileAtomically(run.identityFile(), R"({"run_id": "x", "schema": 99})"));
    const auto identity = readIdentity(run);
    ASSERT_FALSE(identity);
    EXPECT_NE(identity.error().message.find("newer"), std::string::npos);
}

} // namespace espalier::runs
