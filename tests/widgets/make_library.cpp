// SPDX-License-Identifier: GPL-3.0-or-later
// make_library FOLDER [hold | COUNT | points COUNT]: the runs of the drawings, or COUNT small runs, or one run with COUNT points, to look
// at the window; `hold` keeps the training ones alive until it is killed.
#include "tests/widgets/fake_library.h"

#include <QGuiApplication>

#include "core/runs/library.h"
#include "core/runs/lock.h"

#include <cstdlib>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace {

/// Stands for the supervisors of the runs that say they train, until it is killed.
void holdLocks(const std::filesystem::path& folder)
{
    using namespace espalier::runs;
    std::vector<RunLock> locks;
    Library library(folder);
    library.scan();
    for (const auto& run : library.runs())
        if (run.state == RunState::Lost)
            if (auto lock = RunLock::acquire(RunFolder(run.folder), std::chrono::seconds(1)))
                locks.push_back(std::move(*lock));
    ::pause();
}

} // namespace

int main(int argc, char** argv)
{
    qputenv("QT_QPA_PLATFORM", "offscreen");
    const QGuiApplication app(argc, argv);
    if (argc < 2)
        return 2;
    using namespace espalier;
    if (argc == 3 && std::string_view(argv[2]) == "hold")
        holdLocks(argv[1]);
    else if (argc == 2)
        testing::makeShowcase(argv[1]);
    else if (argc == 4 && std::string_view(argv[2]) == "points")
        testing::makeRun(argv[1],
                         {.name = "long", .state = runs::RunState::Stopped, .ofSteps = std::atoll(argv[3]), .step = std::atoll(argv[3])});
    else
        for (int i = 0; i < std::atoi(argv[2]); ++i)
            testing::makeRun(argv[1], {.name = "run-" + std::to_string(i),
                                       .state = i % 3 == 0 ? runs::RunState::Finished : runs::RunState::Stopped,
                                       .step = 4000,
                                       .pointEvery = 20,
                                       .seed = i,
                                       .pictures = false});
}
