// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/job_options.h"
#include "app/cli/run_job.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace espalier::cli {

namespace {

struct BenchOptions {
    std::string model = "unet-cifar10", device = "cpu", precision = "fp32";
    std::int64_t batch = 8, steps = 10, warmup = 3, threads = 0;
};

int bench(const BenchOptions& options, Console& console)
{
    const auto device = jobDevice(options.device);
    if (!device)
        return console.fail(device.error());
    Signals signals;
    const Job job{"bench",
                  {{"model", options.model},
                   {"batch", options.batch},
                   {"steps", options.steps},
                   {"warmup", options.warmup},
                   {"device", *device},
                   {"precision", options.precision},
                   {"threads", options.threads}},
                  {workerDevice(*device)}};
    const auto result = runJob(job, signals, console);
    if (!result)
        return console.fail(result.error());
    auto text = fmt::format("{}, batch {}, {} on {}: {:.4g} images/s", options.model, options.batch, options.precision, options.device,
                            numberIn(*result, "images_per_s"));
    if (const auto step = result->find("step_s"); step != result->end() && step->is_object())
        text += fmt::format(" (step {:.4g} s in the middle, {:.4g} to {:.4g})", numberIn(*step, "median"), numberIn(*step, "min"),
                            numberIn(*step, "max"));
    console.result(*result, text);
    return 0;
}

} // namespace

void addBench(CLI::App& app, Program& program)
{
    auto options = std::make_shared<BenchOptions>();
    auto* command =
        addCommand(app, program, "bench", "Time a training step", [options, &program] { return bench(*options, program.console); });
    command->add_option("--model", options->model, "Model to train: unet-cifar10, dit-s2, dit-b2, dit-xl2, vit-ti, vit-s or vit-b")
        ->capture_default_str();
    command->add_option("--batch", options->batch, "Images in a step")->check(CLI::Range(1, 65536))->capture_default_str();
    command->add_option("--steps", options->steps, "Steps that are timed")->check(CLI::Range(1, 100000))->capture_default_str();
    command->add_option("--warmup", options->warmup, "Steps before them")->check(CLI::Range(0, 1000))->capture_default_str();
    command->add_option("--device", options->device, "cpu, cuda or cuda:N")->capture_default_str();
    command->add_option("--precision", options->precision, "fp32 or bf16")->check(CLI::IsMember({"fp32", "bf16"}))->capture_default_str();
    command->add_option("--threads", options->threads, "CPU threads; 0: one for each core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
}

} // namespace espalier::cli
