// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/device_words.h"

#include "core/config/batch.h"
#include "core/config/config.h"
#include "core/config/devices.h"
#include "widgets/format.h"
#include "widgets/run_values.h"

#include <algorithm>
#include <cmath>

namespace espalier::widgets {
namespace {

const QString kBetween = QStringLiteral(" · ");

QString joined(const QStringList& words)
{
    if (words.size() < 2)
        return words.join(QString());
    return words.mid(0, words.size() - 1).join(QStringLiteral(", ")) + QStringLiteral(" and ") + words.back();
}

QString memoryWords(const DeviceView& device)
{
    return device.totalBytes > 0 ? QStringLiteral("%1 of %2 free").arg(bytes(device.freeBytes), bytes(device.totalBytes)) : QString();
}

std::uint64_t usedBytes(const DeviceView& device)
{
    return device.totalBytes - std::min(device.freeBytes, device.totalBytes);
}

QStringList known(const QStringList& parts)
{
    QStringList some;
    for (const auto& part : parts)
        if (!part.isEmpty())
            some << part;
    return some;
}

template <class T>
QString withUnit(const std::optional<T>& number, const char* unit)
{
    return number ? QStringLiteral("%1 %2").arg(std::lround(static_cast<double>(*number))).arg(QString::fromUtf8(unit)) : QString();
}

/// The GPUs that a run uses; none: it uses the CPU.
std::vector<GpuView> gpusOf(const MachineView& machine, const std::string& devices)
{
    if (machine.gpus.empty())
        return {};
    if (devices.empty() || devices.starts_with("cuda"))
        return machine.gpus; // no run, or one of which only the number is known
    const auto ask = config::parseDevices(devices);
    if (!ask || ask->kind == config::DeviceKind::Cpu)
        return {};
    if (ask->kind == config::DeviceKind::Auto)
        return {machine.gpus.front()};
    std::vector<GpuView> chosen;
    for (const int index : ask->indices)
        for (const auto& gpu : machine.gpus)
            if (gpu.index == index)
                chosen.push_back(gpu);
    return chosen;
}

QString shortGpu(const GpuView& gpu)
{
    return known({QStringLiteral("GPU %1").arg(gpu.index), withUnit(gpu.load, "%"), gpu.totalBytes > 0 ? bytes(usedBytes(gpu)) : QString(),
                  withUnit(gpu.celsius, "°C"), withUnit(gpu.watts, "W")})
        .join(QStringLiteral("  "));
}

/// "4 GPUs  93–97 %  244 GB  66 °C  1 240 W": the range of loads, the hottest, and sums.
QString manyGpus(const std::vector<GpuView>& gpus)
{
    int least = 100, most = 0, hottest = 0;
    double watts = 0.0;
    std::uint64_t used = 0;
    bool loads = true, heat = false, power = true;
    for (const auto& gpu : gpus) {
        loads = loads && gpu.load;
        least = std::min(least, gpu.load.value_or(0));
        most = std::max(most, gpu.load.value_or(0));
        heat = heat || gpu.celsius;
        hottest = std::max(hottest, gpu.celsius.value_or(0));
        power = power && gpu.watts;
        watts += gpu.watts.value_or(0.0);
        used += usedBytes(gpu);
    }
    const QString load = least == most ? QStringLiteral("%1 %").arg(most) : QStringLiteral("%1–%2 %").arg(least).arg(most);
    return known({QStringLiteral("%1 GPUs").arg(gpus.size()), loads ? load : QString(), bytes(used),
                  heat ? QStringLiteral("%1 °C").arg(hottest) : QString(),
                  power ? number(std::llround(watts)) + QStringLiteral(" W") : QString()})
        .join(QStringLiteral("  "));
}

QString coresText(int cores)
{
    return cores == 1 ? QStringLiteral("1 core") : QStringLiteral("%1 cores").arg(cores);
}

/// Ranks and what they run on.
struct Ranks {
    int count = 1;
    QString where;
    QString problem;
};

Ranks ranksOf(const config::DeviceAsk& ask, const MachineView& machine)
{
    const auto onCpu = [&](int workers) {
        const int each = std::max(1, machine.cpu.cores / std::max(1, workers));
        if (workers == 1)
            return Ranks{1, QStringLiteral("the CPU, %1").arg(coresText(machine.cpu.cores)), {}};
        return Ranks{workers, QStringLiteral("%1 ranks on the CPU, %2 each").arg(workers).arg(coresText(each)), {}};
    };
    if (ask.kind == config::DeviceKind::Cpu)
        return onCpu(ask.count);
    if (ask.kind == config::DeviceKind::Auto) {
        if (machine.gpus.empty())
            return onCpu(1);
        return {1, QStringLiteral("GPU %1, %2").arg(machine.gpus.front().index).arg(machine.gpus.front().name), {}};
    }
    QStringList there, missing;
    for (const int index : ask.indices) {
        const bool has = std::any_of(machine.gpus.begin(), machine.gpus.end(), [index](const auto& gpu) { return gpu.index == index; });
        (has ? there : missing) << QString::number(index);
    }
    Ranks ranks{ask.count, {}, {}};
    ranks.where = ask.count == 1 ? QStringLiteral("GPU %1").arg(joined(there + missing))
                                 : QStringLiteral("%1 ranks on GPU %2").arg(ask.count).arg(joined(there + missing));
    if (!missing.isEmpty())
        ranks.problem =
            machine.gpus.empty()
                ? QStringLiteral("There is no GPU %1: this machine trains on its CPU.").arg(joined(missing))
                : QStringLiteral("There is no GPU %1: this machine has %2.")
                      .arg(joined(missing), machine.gpus.size() == 1 ? QStringLiteral("GPU 0 alone")
                                                                     : QStringLiteral("GPU 0 to %1").arg(machine.gpus.back().index));
    return ranks;
}

} // namespace

QString gpuFacts(const GpuView& gpu)
{
    return known({memoryWords(gpu), gpu.load ? withUnit(gpu.load, "% load") : QString(), withUnit(gpu.celsius, "°C"),
                  withUnit(gpu.watts, "W")})
        .join(kBetween);
}

QString cpuFacts(const CpuView& cpu)
{
    return known({coresText(cpu.cores), memoryWords(cpu), cpu.load ? withUnit(cpu.load, "% load") : QString()}).join(kBetween);
}

QString useWords(const DeviceView& device)
{
    if (!device.inUse)
        return QStringLiteral("free");
    return device.runs.isEmpty() ? QStringLiteral("used by a run") : QStringLiteral("used by ") + joined(device.runs);
}

QString statusWords(const MachineView& machine, const std::string& devices)
{
    const auto gpus = gpusOf(machine, devices);
    if (gpus.empty()) {
        const auto& cpu = machine.cpu;
        return known({QStringLiteral("CPU"), withUnit(cpu.load, "%"),
                      cpu.totalBytes > 0 ? QStringLiteral("%1 of %2").arg(bytes(usedBytes(cpu)), bytes(cpu.totalBytes)) : QString()})
            .join(QStringLiteral("  "));
    }
    if (gpus.size() > 2)
        return manyGpus(gpus);
    QStringList each;
    for (const auto& gpu : gpus)
        each << shortGpu(gpu);
    return each.join(QStringLiteral("     "));
}

QString statusDetail(const MachineView& machine, const std::string& devices)
{
    QStringList lines;
    const auto gpus = gpusOf(machine, devices);
    for (const auto& gpu : gpus)
        lines << QStringLiteral("GPU %1 · %2: %3 · %4").arg(gpu.index).arg(gpu.name, gpuFacts(gpu), useWords(gpu));
    if (gpus.empty()) {
        lines << QStringLiteral("CPU · %1: %2 · %3").arg(machine.cpu.name, cpuFacts(machine.cpu), useWords(machine.cpu));
        if (!machine.whyNoGpu.isEmpty())
            lines << machine.whyNoGpu;
    }
    return lines.join(QLatin1Char('\n'));
}

DeviceMeaning meaningOf(const std::string& devices, const Json& config, const MachineView& machine)
{
    const auto ask = config::parseDevices(devices);
    if (!ask)
        return {{}, qstr(ask.error().message)};
    const auto ranks = ranksOf(*ask, machine);
    DeviceMeaning meaning{ranks.where, ranks.problem};
    if (!meaning.text.isEmpty())
        meaning.text[0] = meaning.text[0].toUpper();
    auto wanted = config.is_object() ? config : Json::object();
    wanted["devices"] = "auto"; // the training settings alone count here
    const auto run = config::read(wanted);
    if (!run)
        return meaning;
    const auto split = config::deriveBatch(run->training, ranks.count);
    if (!split) {
        if (meaning.problem.isEmpty())
            meaning.problem = qstr(split.error().message);
        return meaning;
    }
    const auto share = split->microBatch * split->accumulation;
    if (ranks.count > 1)
        meaning.text += QStringLiteral(": %1 of the %2 images of a batch each").arg(number(share), number(split->globalBatch()));
    else
        meaning.text += QStringLiteral(": all %1 images of a batch").arg(number(share));
    if (split->accumulation > 1)
        meaning.text += QStringLiteral(", in %1 passes").arg(split->accumulation);
    return meaning;
}

MachineFacts factsOf(const MachineView& machine)
{
    MachineFacts facts{static_cast<int>(machine.gpus.size()), {}, machine.cpu.totalBytes, 0};
    if (machine.gpus.empty())
        facts.deviceName = machine.cpu.name.isEmpty() ? coresText(machine.cpu.cores)
                                                      : QStringLiteral("%1, %2").arg(machine.cpu.name, coresText(machine.cpu.cores));
    else {
        facts.deviceName = machine.gpus.front().name;
        facts.gpuBytes = machine.gpus.front().totalBytes;
    }
    return facts;
}

QString ordinal(int number)
{
    const int tens = number % 100, ones = number % 10;
    const char* end = tens >= 11 && tens <= 13 ? "th" : ones == 1 ? "st" : ones == 2 ? "nd" : ones == 3 ? "rd" : "th";
    return QString::number(number) + QLatin1String(end);
}

} // namespace espalier::widgets
