// SPDX-License-Identifier: Apache-2.0
// bench_runs [--runs 200] [--points 10000000]: what the window asks of core/runs, in seconds, as one JSON line.
#include "core/config/config.h"
#include "core/runs/follower.h"
#include "core/runs/library.h"
#include "core/runs/pyramid.h"
#include "core/runs/run_writer.h"
#include "core/runs/scalars.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace espalier;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

[[noreturn]] void stop(const Error& error)
{
    std::fprintf(stderr, "bench_runs: %s %s\n", error.message.c_str(), error.detail.c_str());
    std::exit(1);
}

double secondsSince(Clock::time_point began)
{
    return std::chrono::duration<double>(Clock::now() - began).count();
}

double cpuSeconds()
{
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

runs::RunFolder newRun(const fs::path& folder)
{
    const auto made = runs::createRunFolder(folder, config::document(config::RunConfig{}));
    if (!made)
        stop(made.error());
    return *made;
}

/// Runs as they are after some hours: 2000 points of a dozen tags, a checkpoint and a grid now and then.
void fillRun(const runs::RunFolder& run, int number)
{
    auto writer = runs::RunWriter::open(run, 0);
    if (!writer)
        stop(writer.error());
    for (std::int64_t step = 1; step <= 2000; ++step)
        for (int tag = 0; tag < 12; ++tag)
            (*writer)->scalar(tag == 0 ? std::string(runs::tags::kLoss) : fmt::format("group/tag_{}", tag), step * 10,
                              1.0 / static_cast<double>(step + number + tag));
    for (std::int64_t step = 2000; step <= 20000; step += 2000) {
        (*writer)->write(runs::CheckpointWritten{step, 0, "checkpoints/" + runs::stepName(step), 1 << 20, "interval"});
        runs::Evaluated evaluated;
        evaluated.step = step;
        evaluated.metric = "fd";
        evaluated.value = 100.0 - static_cast<double>(step) * 1e-3;
        (*writer)->write(evaluated);
    }
    (*writer)->state(runs::RunState::Finished);
    if (const auto flushed = (*writer)->flush(); !flushed)
        stop(flushed.error());
}

Json libraryCost(const fs::path& folder, int count)
{
    for (int i = 0; i < count; ++i)
        fillRun(newRun(folder / fmt::format("run-{:03}", i)), i);
    const auto began = Clock::now();
    runs::Library library(folder);
    library.scan();
    const double first = secondsSince(began);
    const auto again = Clock::now();
    constexpr int kAgain = 20;
    for (int i = 0; i < kAgain; ++i)
        library.scan();
    return Json{{"runs", library.runs().size()}, {"first_scan_s", first}, {"scan_without_change_s", secondsSince(again) / kAgain}};
}

Json replayCost(const fs::path& folder, std::int64_t points)
{
    const auto run = newRun(folder);
    fs::create_directories(run.scalarsFolder(1));
    {
        auto writer = runs::ScalarWriter::create(run.scalarsFile(1, runs::tags::kLoss), runs::tags::kLoss);
        if (!writer)
            stop(writer.error());
        for (std::int64_t i = 0; i < points; ++i) {
            const double x = static_cast<double>(i);
            writer->add({i, 1.7e9 + 0.1 * x, std::exp(-x * 1e-6) + 0.1 * std::sin(x * 0.37)});
            if (writer->pending() > (1u << 20))
                if (const auto flushed = writer->flush(); !flushed)
                    stop(flushed.error());
        }
        if (const auto flushed = writer->flush(); !flushed)
            stop(flushed.error());
    }
    const auto began = Clock::now();
    runs::RunFollower follower(run.root());
    do
        follower.poll();
    while (!follower.curve(runs::tags::kLoss) || follower.curve(runs::tags::kLoss)->size() < static_cast<std::size_t>(points));
    const double replay = secondsSince(began);

    const auto& curve = *follower.curve(runs::tags::kLoss);
    Json result{{"points", points}, {"replay_s", replay}};
    for (const int pixels : {1280, 3840}) {
        // Zooms from everything to a thousandth around a place that moves, as a person does with the wheel.
        constexpr int kFrames = 300;
        const double whole = static_cast<double>(points);
        double worst = 0.0;
        std::size_t drawn = 0;
        const auto all = Clock::now();
        for (int frame = 0; frame < kFrames; ++frame) {
            const double width = whole * std::pow(1e-3, static_cast<double>(frame) / kFrames), centre = whole * (0.3 + 0.001 * frame);
            const auto one = Clock::now();
            drawn += curve.envelope(runs::CurveAxis::Step, std::max(0.0, centre - width), centre + width, pixels).points.size();
            worst = std::max(worst, secondsSince(one));
        }
        result[fmt::format("envelope_{}", pixels)] = {
            {"mean_s", secondsSince(all) / kFrames}, {"worst_s", worst}, {"points_drawn", drawn / kFrames}};
    }

    // A run that does not change: what one look costs, and what ten looks a second are of one core.
    const double before = cpuSeconds();
    constexpr int kLooks = 2000;
    for (int i = 0; i < kLooks; ++i)
        follower.poll();
    const double look = (cpuSeconds() - before) / kLooks;
    result["idle_look_s"] = look;
    result["idle_share_of_core_at_10_per_s"] = look * 10;
    return result;
}

/// From the pen to the reader: how long a scalar takes to be seen by somebody who looks every 20 ms.
Json latency(const fs::path& folder)
{
    const auto run = newRun(folder);
    auto writer = runs::RunWriter::open(run, 0);
    if (!writer)
        stop(writer.error());
    runs::RunFollower follower(run.root());
    double sum = 0.0, worst = 0.0;
    constexpr int kTimes = 20;
    for (int i = 1; i <= kTimes; ++i) {
        const auto began = Clock::now();
        (*writer)->scalar(runs::tags::kLoss, i, 0.5);
        while (!follower.curve(runs::tags::kLoss) || follower.curve(runs::tags::kLoss)->size() < static_cast<std::size_t>(i)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            follower.poll();
        }
        sum += secondsSince(began);
        worst = std::max(worst, secondsSince(began));
    }
    return Json{{"mean_s", sum / kTimes}, {"worst_s", worst}};
}

} // namespace

int main(int argc, char** argv)
{
    int count = 200;
    std::int64_t points = 10'000'000;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string word = argv[i];
        if (word == "--runs")
            count = std::atoi(argv[i + 1]);
        else if (word == "--points")
            points = std::atoll(argv[i + 1]);
    }
    if (argc % 2 == 0 || count < 1 || points < 1000) {
        std::fputs("bench_runs [--runs 200] [--points 10000000 (at least 1000)]\n", stderr);
        return 2;
    }
    std::string pattern = (fs::temp_directory_path() / "espalier-bench-XXXXXX").string();
    const fs::path folder = ::mkdtemp(pattern.data());
    Json result{{"library", libraryCost(folder / "library", count)},
                {"curve", replayCost(folder / "curve", points)},
                {"latency", latency(folder / "latency")}};
    std::error_code none;
    fs::remove_all(folder, none);
    std::printf("%s\n", result.dump().c_str());
    return 0;
}
