// SPDX-License-Identifier: Apache-2.0
// Speaks the worker's side of the protocol with the real RunWriter and WorkerLink, and trains nothing. For tests of supervisor and window.
//
// A step costs FAKE_STEP_MS (5). FAKE_CRASH_AT=N: ends by FAKE_CRASH (abort, segv, exit, fail, usage, lost, quiet) at step N or the first
// after it, on rank FAKE_RANK (0), in branch FAKE_BRANCH (none). FAKE_HANG_AT=N: stands still there. FAKE_SAVE_MS: what a checkpoint costs.
// FAKE_DEAF: never answers wishes.
// A job takes FAKE_PARTS steps; FAKE_CRASH as "fail" or anything else, on rank FAKE_RANK. FAKE_TRACE: a folder where each rank says what it
// was told.
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/plan/strategy.h"
#include "core/runs/retention.h"
#include "core/runs/run_writer.h"
#include "core/runs/worker_link.h"

#include <fmt/format.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <unistd.h>

namespace {

using namespace espalier;
using namespace espalier::runs;
namespace fs = std::filesystem;

std::int64_t setting(const char* name, std::int64_t otherwise)
{
    const char* text = std::getenv(name);
    return text && *text ? std::strtoll(text, nullptr, 10) : otherwise;
}

std::string setting(const char* name)
{
    const char* text = std::getenv(name);
    return text ? text : "";
}

void rest(std::int64_t ms)
{
    if (ms > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

/// A chain of numbers over the steps: after any number of kills and resumes it must be that of an undisturbed run.
std::uint64_t chained(std::uint64_t state, std::int64_t step)
{
    state ^= static_cast<std::uint64_t>(step) * 0x9E3779B97F4A7C15ull;
    state *= 0xBF58476D1CE4E5B9ull;
    return state ^ (state >> 29);
}

class FakeTraining {
public:
    FakeTraining(WorkerLink& link, const Ranks& ranks, config::RunConfig config, bool apart, std::string branch)
        : m_link(link), m_ranks(ranks), m_config(std::move(config)), m_apart(apart), m_branch(std::move(branch)),
          m_folder(RunFolder(".").branch(m_branch)), m_strategy(plan::makeStrategy(m_config, {1'000'000}))
    {
    }

    int run()
    {
        std::int64_t step = 0;
        for (const auto& each : storedCheckpoints(m_folder))
            if (const auto state = stateAt(m_folder, each.step)) {
                step = each.step;
                m_state = *state;
            }
        const auto text = readFile("plan.json", 1 << 24);
        const auto kept = text ? plan::planFromText(*text) : Result<plan::Plan>(plan::Plan{});
        auto plan = kept ? plan::planOf(*m_strategy, kept->ledger) : kept;
        if (!plan)
            return fail(plan.error(), step);
        m_plan = *std::move(plan);
        if (m_ranks.rank == 0) {
            std::error_code error;
            fs::create_directories(m_folder.checkpointsFolder(), error);
            auto writer = RunWriter::open(m_folder, step);
            if (!writer)
                return fail(writer.error(), step);
            m_writer = std::move(*writer);
            m_writer->write(Started{m_writer->attempt(), step, m_ranks.worldSize, setting(environment::kDevice), lastStep(), 0, 0.0});
            writePlan();
        }
        m_link.started({{"from_step", step}});
        std::printf("fake worker began %s\n", m_branch.c_str());
        std::fflush(stdout);
        for (;;) {
            const plan::Stage* next = nullptr;
            bool others = false;
            for (const auto& request : m_strategy->ready(m_plan)) {
                const auto* stage = plan::findStage(m_plan, std::get<plan::TrainStage>(request).stage);
                const bool ours = !m_apart || stage->branch == m_branch;
                others = others || !ours;
                if (ours && !next)
                    next = stage;
            }
            if (!next)
                return end(others && m_branch.empty() ? EndedHow::Waits : EndedHow::Finished, step);
            if (const auto status = train(*next, step))
                return *status;
            const auto measured = plan::stageFinished(next->id, {.steps = step, .images = step * 10, .seconds = 0.1, .flops = 1.0});
            m_plan = m_strategy->apply(std::move(m_plan), measured);
            if (m_branch.empty())
                writePlan();
            else
                m_link.measured(plan::toJson(measured));
        }
    }

private:
    static std::optional<std::uint64_t> stateAt(const RunFolder& folder, std::int64_t step)
    {
        const auto text = readFile(folder.checkpointFolder(step) / "state.txt", 1 << 10);
        return text && text->size() == 20 ? std::optional(std::strtoull(text->c_str(), nullptr, 10)) : std::nullopt; // a whole one
    }

    /// Of this lane.
    std::int64_t lastStep() const
    {
        std::int64_t last = 0;
        for (const auto& stage : m_plan.stages) {
            const auto begin = plan::beginOf(m_plan, stage).value_or(plan::Progress{.steps = last});
            if (stage.branch == m_branch)
                last = begin.steps + stage.length.steps.value_or(0);
        }
        return last;
    }

    void writePlan() const
    {
        if (m_writer && m_branch.empty() && m_plan.stages.size() > 1)
            (void)writeFileAtomically("plan.json", plan::toJson(m_plan).dump());
    }

    /// A status to end with, where it does not go on.
    std::optional<int> train(const plan::Stage& stage, std::int64_t& step)
    {
        const auto from = plan::beginOf(m_plan, stage)->steps, until = from + *stage.length.steps;
        if (step <= from && !stage.after.empty()) { // it begins with what it was made of
            m_state = std::hash<std::string>()(stage.id);
            for (const auto& id : stage.after)
                m_state = m_state * 31 +
                          stateAt(RunFolder(".").branch(plan::findStage(m_plan, id)->branch), plan::endOf(m_plan, id)->steps).value_or(0);
        }
        step = std::max(step, from);
        if (m_writer) {
            m_writer->write(StageStarted{stage.index, stage.id, from});
            m_writer->state(RunState::Training);
        }
        while (step < until) {
            if (const auto how = obeyWishes(step))
                return end(*how, step);
            misbehave(step + 1);
            ++step;
            m_state = chained(m_state, step);
            rest(setting("FAKE_STEP_MS", 5));
            m_link.heartbeat(step);
            if (!m_writer)
                continue;
            m_writer->scalar(tags::kLoss, step, 1.0 / std::sqrt(static_cast<double>(step)));
            m_writer->scalar(tags::kImages, step, static_cast<double>(step * m_config.training.batchSize));
            if (m_config.checkpoints.every > 0 && step % m_config.checkpoints.every == 0)
                save(step, "interval");
            if (const auto error = m_writer->firstError())
                return fail(*error, step);
        }
        if (m_writer)
            save(step, "stage");
        return std::nullopt;
    }

    int fail(const Error& error, std::int64_t step)
    {
        m_link.failed(error, step, m_lastSaved);
        return exitCode(error);
    }

    int end(EndedHow how, std::int64_t step)
    {
        if (m_writer) {
            m_writer->state(how == EndedHow::Paused ? RunState::Pausing : how == EndedHow::Stopped ? RunState::Stopping : RunState::Saving);
            save(step, how == EndedHow::Finished ? "finish" : how == EndedHow::Paused ? "pause" : "stop");
            for (const auto& wish : m_ending)
                tell({wish.id, std::string(wishText(wish.kind)), "Saved.", true, step});
            if (const auto flushed = m_writer->flush(); !flushed)
                return fail(flushed.error(), step);
        }
        m_link.end(how, step);
        return 0;
    }

    std::optional<EndedHow> obeyWishes(std::int64_t step)
    {
        // Real ranks agree by a control word; here the others see the end by rank 0's file.
        if (m_ranks.rank != 0)
            return fs::exists("fake-end") ? std::optional(EndedHow::Stopped) : std::nullopt;
        if (!setting("FAKE_DEAF").empty())
            return std::nullopt;
        for (const auto& wish : m_link.takeWishes()) {
            if (const auto known = answerOf(wish)) {
                tell(*known);
                continue;
            }
            if (wish.kind == WishKind::Pause || wish.kind == WishKind::Stop) {
                m_ending.push_back(wish);
                if (m_branch.empty())
                    (void)writeFileAtomically("fake-end", "");
                return wish.kind == WishKind::Pause ? EndedHow::Paused : EndedHow::Stopped;
            }
            if (wish.kind == WishKind::Checkpoint) {
                save(step, "wish");
            } else if (wish.kind == WishKind::Sample) {
                const auto folder = m_folder.samplesFolder(0, step);
                fs::create_directories(folder);
                (void)writeFileAtomically(folder / "ema.png", "not really a picture");
                m_writer->write(
                    SamplesDrawn{step, 0, "ema", m_folder.relative(folder), m_folder.relative(folder / "ema.png"), 4, 2, {}, 0.0});
            } else {
                Evaluated evaluated;
                evaluated.step = step;
                evaluated.metric = "fd";
                evaluated.weights = "ema";
                evaluated.value = 100.0 / static_cast<double>(step + 1);
                m_writer->write(evaluated);
            }
            tell({wish.id, std::string(wishText(wish.kind)), "Done.", true, step});
        }
        return std::nullopt;
    }

    void save(std::int64_t step, const std::string& because)
    {
        const auto folder = m_folder.checkpointFolder(step);
        const auto beside = m_folder.checkpointsFolder() / fmt::format(".{}.part", stepName(step));
        const auto before = setting("FAKE_SAVE_MS", 0);
        if (fs::exists(folder))
            return;
        // The points up to here first: an attempt that goes on from this checkpoint does not make them again.
        (void)m_writer->flush();
        fs::remove_all(beside);
        fs::create_directories(beside);
        (void)writeFileAtomically(beside / "state.txt", fmt::format("{:020}", m_state));
        rest(before);
        (void)writeFileAtomically(beside / "manifest.json", R"({"files": {"state.txt": 20}})");
        std::error_code error;
        fs::rename(beside, folder, error);
        m_lastSaved = m_folder.relative(folder);
        m_writer->write(CheckpointWritten{step, 0, m_lastSaved, 20, because});
        for (const auto gone : checkpointsToRemove(m_config.checkpoints, storedCheckpoints(m_folder))) {
            fs::remove_all(m_folder.checkpointFolder(gone));
            m_writer->write(CheckpointRemoved{gone, m_folder.relative(m_folder.checkpointFolder(gone)), "retention"});
        }
    }

    void tell(const WishAnswered& answer)
    {
        m_writer->write(answer);
        m_link.event(makeEvent(answer));
    }

    void misbehave(std::int64_t step)
    {
        if (m_ranks.rank != setting("FAKE_RANK", 0) || m_branch != setting("FAKE_BRANCH"))
            return;
        if (step == setting("FAKE_HANG_AT", -1))
            for (;;)
                rest(1000);
        if (const auto at = setting("FAKE_CRASH_AT", -1); at < 0 || step < at)
            return;
        std::fprintf(stderr, "about to misbehave at step %lld\n", static_cast<long long>(step));
        const auto how = setting("FAKE_CRASH");
        if (how == "segv") {
            std::signal(SIGSEGV, SIG_DFL); // also where a sanitizer listens
            ::raise(SIGSEGV);
        }
        if (how == "exit")
            std::_Exit(3);
        if (how == "quiet")
            std::_Exit(0);
        if (how == "fail")
            std::_Exit(fail({ErrorCode::NotFinite, "The loss was not finite for 5 steps.", "step 7"}, step));
        if (how == "lost")
            std::_Exit(fail({ErrorCode::Lost, "Another rank went away.", ""}, step));
        if (how == "usage")
            std::_Exit(fail({ErrorCode::Usage, "devices: there is no GPU 9.", ""}, step));
        std::abort();
    }

    WorkerLink& m_link;
    Ranks m_ranks;
    config::RunConfig m_config;
    const bool m_apart;
    const std::string m_branch;
    const RunFolder m_folder;
    std::unique_ptr<plan::PlanStrategy> m_strategy;
    plan::Plan m_plan;
    std::unique_ptr<RunWriter> m_writer;
    std::uint64_t m_state = 1;
    std::string m_lastSaved;
    std::vector<Wish> m_ending;
};

/// What each rank of a job was told, as a file of FAKE_TRACE.
void leaveTrace(const Ranks& ranks)
{
    if (const auto folder = setting("FAKE_TRACE"); !folder.empty())
        (void)writeFileAtomically(fs::path(folder) / fmt::format("rank{}.json", ranks.rank), Json{{"world", ranks.worldSize},
                                                                                                  {"local", ranks.localRank},
                                                                                                  {"local_world", ranks.localWorldSize},
                                                                                                  {"address", ranks.masterAddress},
                                                                                                  {"port", ranks.masterPort},
                                                                                                  {"device", setting(environment::kDevice)},
                                                                                                  {"pid", ::getpid()}}
                                                                                                 .dump());
}

int job(WorkerLink& link, const std::string& name, const char* file)
{
    const auto text = readFile(file, 1 << 20);
    const auto request = text ? Json::parse(*text, nullptr, false) : Json();
    if (!request.is_object()) {
        link.failed({ErrorCode::Usage, "The request cannot be read.", ""});
        return 2;
    }
    const auto ranks = ranksFromEnvironment();
    if (!ranks)
        return 2;
    leaveTrace(*ranks);
    const auto parts = setting("FAKE_PARTS", 3);
    for (std::int64_t i = 0; i < parts; ++i) {
        if (link.stopRequested()) {
            link.failed({ErrorCode::Cancelled, "Cancelled.", ""});
            return 1;
        }
        link.progress(static_cast<double>(i + 1), static_cast<double>(parts), name);
        rest(setting("FAKE_STEP_MS", 5));
    }
    if (!setting("FAKE_CRASH").empty() && ranks->rank == setting("FAKE_RANK", 0)) {
        if (setting("FAKE_CRASH") == "fail") {
            link.failed({ErrorCode::Format, "The weights are damaged.", ""});
            return 1;
        }
        std::fputs("the job broke\n", stderr);
        return 1;
    }
    if (request.contains("run"))
        link.event(makeEvent(SamplesDrawn{7, 0, "ema", "samples/x", "samples/x/ema.png", 1, 1, {}, 0.0}));
    link.result({{"job", name}, {"request", request}, {"images_per_s", 10.0}, {"step_s", 0.1}});
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    WorkerLink link;
    if (argc >= 4 && std::strcmp(argv[1], "train") == 0) {
        bool apart = false;
        std::string branch;
        for (int i = 4; i + 1 < argc; i += 2) {
            apart = apart || std::strcmp(argv[i], "--branches") == 0 || std::strcmp(argv[i], "--branch") == 0;
            if (std::strcmp(argv[i], "--branch") == 0)
                branch = argv[i + 1];
        }
        const auto ranks = ranksFromEnvironment();
        const auto text = readFile("config.json", 1 << 24);
        auto config = text ? config::readDocument(Json::parse(*text, nullptr, false)) : Result<config::RunConfig>(text.error());
        const auto error = !ranks ? ranks.error() : !config ? config.error() : Error{};
        if (!ranks || !config) {
            link.failed(error);
            return exitCode(error);
        }
        if (ranks->rank == 0 && branch.empty()) {
            std::error_code ignored;
            std::filesystem::remove("fake-end", ignored);
        }
        return FakeTraining(link, *ranks, std::move(*config), apart, branch).run();
    }
    if (argc == 4 && std::strcmp(argv[2], "--request") == 0)
        return job(link, argv[1], argv[3]);
    std::fputs("usage: fake_worker train --run . | <job> --request FILE\n", stderr);
    return 2;
}
