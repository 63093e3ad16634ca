// SPDX-License-Identifier: Apache-2.0
#include "app/cli/child.h"
#include "app/cli/command.h"
#include "app/cli/job_options.h"
#include "app/cli/run_job.h"
#include "core/base/text.h"
#include "core/machine/cpu.h"
#include "core/machine/disk.h"
#include "core/machine/gpus.h"
#include "core/machine/memory.h"
#include "core/runs/run_folder.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

namespace espalier::cli {

namespace {

enum class Verdict { Ok, Warn, Fail };

/// Lines of the report, and whether one of them is bad.
class Report {
public:
    void add(Verdict verdict, const std::string& what, const std::string& found, const std::string& advice = {})
    {
        static constexpr const char* kWords[] = {"ok", "warn", "fail"};
        const char* word = kWords[static_cast<int>(verdict)];
        m_json.push_back({{"check", what}, {"verdict", word}, {"found", found}, {"advice", advice}});
        m_text += fmt::format("{:<5} {:<8} {}\n", word, what, found);
        if (!advice.empty())
            m_text += fmt::format("{:<14} {}\n", "", advice);
        m_failed |= verdict == Verdict::Fail;
    }
    int tell(Console& console) const
    {
        console.result({{"ok", !m_failed}, {"checks", m_json}}, m_text);
        return m_failed ? 1 : 0;
    }

private:
    Json m_json = Json::array();
    std::string m_text;
    bool m_failed = false;
};

void checkMachine(Report& report)
{
    const auto cpu = machine::cpu();
    report.add(cpu.has("avx2") ? Verdict::Ok : Verdict::Warn, "cpu",
               fmt::format("{}, {} of {} cores, {}", cpu.model.empty() ? "unknown" : cpu.model, cpu.cores, cpu.machineCores,
                           fmt::join(cpu.features, " ")),
               cpu.has("avx2") ? "" : "Without AVX2 training on the CPU is slow.");
    const auto memory = machine::hostMemory();
    const bool little = memory.totalBytes > 0 && memory.availableBytes < (std::uint64_t{2} << 30);
    report.add(little ? Verdict::Warn : Verdict::Ok, "memory",
               fmt::format("{} free of {}{}", bytesText(memory.availableBytes), bytesText(memory.totalBytes),
                           memory.limited ? " (limited by a control group)" : ""),
               little ? "Close other programs, or lower training.micro_batch." : "");
    const auto library = runs::libraryFolder();
    if (const auto disk = machine::diskSpace(library); !disk) {
        report.add(Verdict::Fail, "library", disk.error().message, "Name another folder in ESPALIER_LIBRARY.");
    } else {
        const bool full = disk->freeBytes < (std::uint64_t{1} << 30);
        report.add(full ? Verdict::Fail : Verdict::Ok, "library", fmt::format("{}: {} free", library.string(), bytesText(disk->freeBytes)),
                   full ? "Make room, or name another folder in ESPALIER_LIBRARY: checkpoints need it." : "");
    }
}

void checkGpus(Report& report)
{
    const machine::Gpus gpus;
    const auto found = gpus.read();
    if (found.empty()) {
        report.add(Verdict::Warn, "gpu", gpus.reason().empty() ? "The driver shows no GPU." : gpus.reason(), "Training runs on the CPU.");
        return;
    }
    for (const auto& gpu : found)
        report.add(Verdict::Ok, "gpu",
                   fmt::format("{}: {}, {} free of {}, driver {}", gpu.index, gpu.name, bytesText(gpu.freeBytes), bytesText(gpu.totalBytes),
                               gpus.driverVersion()));
}

/// The worker is the only program with LibTorch: that it answers says that the libraries are found. A job that it does not know costs
/// nothing.
void checkWorker(Report& report, bool quick, Signals& signals, Console& console)
{
    const auto worker = findWorker();
    if (!worker) {
        report.add(Verdict::Fail, "worker", worker.error().message, "Build it with ./dev build.");
        return;
    }
    Job job{"bench", {{"batch", 1}, {"steps", 1}, {"warmup", 0}, {"device", "cpu"}}};
    if (quick)
        job = Job{"hello"};
    const auto result = runJob(job, signals, console);
    if (!result && !(quick && result.error().code == ErrorCode::Usage)) {
        report.add(Verdict::Fail, "worker", fmt::format("{}: {}", worker->string(), result.error().message),
                   "Its libraries may be missing: run ./dev build, which fetches LibTorch.");
        return;
    }
    auto text = fmt::format("{} starts", worker->string());
    if (result && !textIn(*result, "libtorch").empty())
        text += fmt::format(", LibTorch {}, a training step works", textIn(*result, "libtorch"));
    report.add(Verdict::Ok, "worker", text);
}

int doctor(bool quick, Console& console)
{
    Signals signals;
    Report report;
    checkMachine(report);
    checkGpus(report);
    checkWorker(report, quick, signals, console);
    return report.tell(console);
}

} // namespace

void addDoctor(CLI::App& app, Program& program)
{
    auto quick = std::make_shared<bool>(false);
    auto* command = addCommand(app, program, "doctor", "Check what training needs on this machine and say what to do",
                               [quick, &program] { return doctor(*quick, program.console); });
    command->add_flag("--quick", *quick, "Start the worker, but let it compute nothing");
}

} // namespace espalier::cli
