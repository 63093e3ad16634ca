// SPDX-License-Identifier: Apache-2.0
// docs/run-folder.md is an interface: the names in its tables are those that the program writes, no more and no fewer.
#include "core/config/config.h"
#include "core/runs/control.h"
#include "core/runs/lease.h"
#include "core/runs/run_writer.h"
#include "tests/core/runs/run_files.h"

#include <map>
#include <set>
#include <sstream>

namespace espalier::runs {

namespace {

using Names = std::set<std::string>;

Names quoted(const std::string& cell)
{
    Names names;
    for (std::size_t at = cell.find('`'); at != std::string::npos;) {
        const auto end = cell.find('`', at + 1);
        if (end == std::string::npos)
            break;
        names.insert(cell.substr(at + 1, end - at - 1));
        at = cell.find('`', end + 1);
    }
    return names;
}

/// First column -> names in the second, of every table row whose first column is one quoted name.
std::map<std::string, Names> documented()
{
    std::map<std::string, Names> rows;
    const auto page = readFile(std::filesystem::path(ESPALIER_SOURCE_DIR) / "docs" / "run-folder.md");
    std::istringstream lines(page ? *page : "");
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("| `"))
            continue;
        const auto first = line.find('|', 1), second = line.find('|', first + 1);
        const auto name = quoted(line.substr(0, first));
        rows[*name.begin()] = second == std::string::npos ? Names{} : quoted(line.substr(first, second - first));
    }
    return rows;
}

Names keysOf(const Json& json)
{
    Names names;
    for (const auto& [key, value] : json.items())
        names.insert(key);
    return names;
}

} // namespace

class RunFolderPage : public tests::RunFiles {};

TEST_F(RunFolderPage, NamesEveryFieldOfEveryEvent)
{
    const auto rows = documented();
    Names kinds;
    const auto compare = [&](const Event& event) {
        ASSERT_TRUE(rows.contains(event.kind)) << event.kind;
        EXPECT_EQ(rows.at(event.kind), keysOf(event.fields)) << event.kind;
        kinds.insert(event.kind);
    };
    Evaluated evaluated;
    evaluated.spread = evaluated.floor = evaluated.ceiling = 1.0;
    compare(makeEvent(Created{}));
    compare(makeEvent(StateChanged{}));
    compare(makeEvent(Started{}));
    compare(makeEvent(Resumed{}));
    compare(makeEvent(Initialised{}));
    compare(makeEvent(StageStarted{}));
    compare(makeEvent(Forked{}));
    compare(makeEvent(Searched{}));
    compare(makeEvent(CheckpointWritten{}));
    compare(makeEvent(CheckpointRemoved{}));
    compare(makeEvent(SamplesDrawn{}));
    compare(makeEvent(evaluated));
    compare(makeEvent(Warned{"", 1}));
    compare(makeEvent(Overridden{}));
    compare(makeEvent(WishAnswered{"", "", "", true, 1}));
    compare(makeEvent(Failed{"", "", 1, "", 0, ""}));
    for (const auto& [name, fields] : rows)
        if (name.find_first_of("./") == std::string::npos) {
            EXPECT_TRUE(kinds.contains(name)) << name << " is documented but never written";
        }
}

TEST_F(RunFolderPage, NamesEveryFieldOfTheSmallFiles)
{
    const auto rows = documented();
    const auto run = newRun();
    ASSERT_TRUE(writeLease(run, ownLease()));
    EXPECT_EQ(rows.at("run.json"), keysOf(Json::parse(textOf(run.identityFile()))));
    EXPECT_EQ(rows.at("lease.json"), keysOf(Json::parse(textOf(run.leaseFile()))));
    EXPECT_EQ(rows.at("config.json"), keysOf(config::document({})));
    EXPECT_EQ(rows.at("control/<id>.json"), keysOf(wishJson({})));
}

TEST_F(RunFolderPage, NamesEveryTagStateAndCode)
{
    const auto page = textOf(std::filesystem::path(ESPALIER_SOURCE_DIR) / "docs" / "run-folder.md");
    for (const auto tag : {tags::kLoss, tags::kLearningRate, tags::kGradNorm, tags::kLossScale, tags::kImagesPerSecond,
                           tags::kTrainingSeconds, tags::kImages, tags::kFlops, tags::kFd, tags::kFid})
        EXPECT_NE(page.find("| `" + std::string(tag) + "` |"), std::string::npos) << tag;
    for (int i = 0; i <= static_cast<int>(RunState::Lost); ++i)
        EXPECT_NE(page.find("`" + std::string(stateText(static_cast<RunState>(i))) + "`"), std::string::npos) << i;
    for (int i = 0; i <= static_cast<int>(ErrorCode::Internal); ++i)
        EXPECT_NE(page.find("`" + std::string(errorCodeText(static_cast<ErrorCode>(i))) + "`"), std::string::npos) << i;
}

TEST_F(RunFolderPage, NamesWhatLiesInAFolder)
{
    const auto run = newRun();
    const auto page = textOf(std::filesystem::path(ESPALIER_SOURCE_DIR) / "docs" / "run-folder.md");
    const auto drawing = page.substr(page.find("```\n"), page.find("```\n\n") - page.find("```\n"));
    {
        auto writer = RunWriter::open(run, 0);
        ASSERT_TRUE(writer);
        (*writer)->scalar(tags::kLoss, 1, 1.0);
    }
    for (const auto& entry : std::filesystem::directory_iterator(run.root()))
        EXPECT_NE(drawing.find(entry.path().filename().string()), std::string::npos) << entry.path();
}

} // namespace espalier::runs
