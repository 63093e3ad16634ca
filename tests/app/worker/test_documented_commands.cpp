// SPDX-License-Identifier: Apache-2.0
// Every command line of docs/commands.md runs as it is written.
#include "tests/app/worker/real_run.h"

#include <cstdlib>
#include <sstream>

namespace espalier {

class DocumentedCommands : public RealRuns {};

TEST_F(DocumentedCommands, RunAsWritten)
{
    const auto page = readFile(fs::path(ESPALIER_SOURCE_DIR) / "docs" / "commands.md");
    ASSERT_TRUE(page);
    const auto programs = fs::path(std::getenv("ESPALIER_TEST_CLI")).parent_path().string();
    const auto shell = [&](const std::string& command) {
        return "cd '" + m_folder.string() + "' && PATH='" + programs + "':\"$PATH\" " + command;
    };
    int ran = 0;
    std::istringstream lines(*page);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("    espalier-cli "))
            continue;
        line.erase(0, 4);
        std::unique_ptr<CliProcess> training;
        if (line.find("# while it trains") != std::string::npos) {
            const RunFolder run(m_folder / "my-run");
            training = std::make_unique<CliProcess>(
                std::vector<std::string>{"train", "--resume", run.root().string(), "--set", "training.steps=1000000", "--quiet"},
                tests::Environment{}, m_folder / "start");
            ASSERT_TRUE(passes(run, 14)) << training->err();
        }
        const auto out = (m_folder / "out.txt").string();
        const int status = std::system(shell("timeout 300 " + line + " > '" + out + "' 2>&1").c_str());
        const auto said = readFile(out);
        EXPECT_EQ(status, 0) << line << "\n" << (said ? *said : "");
        EXPECT_TRUE(said && !said->empty()) << line << " said nothing";
        ++ran;
        if (training) {
            training->signal(SIGTERM);
            EXPECT_EQ(training->wait(60s), 0) << training->err();
        }
    }
    EXPECT_GE(ran, 16);
}

} // namespace espalier
