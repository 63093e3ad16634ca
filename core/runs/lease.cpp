// SPDX-License-Identifier: Apache-2.0
#include "core/runs/lease.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/runs/lock.h"

#include <unistd.h>

namespace espalier::runs {

std::uint64_t startTicksOf(std::int64_t pid)
{
    const auto text = readFile("/proc/" + std::to_string(pid) + "/stat", 1 << 16);
    if (!text)
        return 0;
    // The name in parentheses may hold anything: count fields after the last ')'.
    std::size_t at = text->rfind(')');
    if (at == std::string::npos)
        return 0;
    at += 2;
    for (int field = 3; field < 22 && at != std::string::npos; ++field)
        if (at = text->find(' ', at); at != std::string::npos)
            ++at;
    return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at, nullptr, 10);
}

std::string hostName()
{
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string bootId()
{
    auto text = readFile("/proc/sys/kernel/random/boot_id", 256);
    if (!text)
        return "";
    while (!text->empty() && text->back() == '\n')
        text->pop_back();
    return *text;
}

Lease ownLease()
{
    Lease lease;
    lease.host = hostName();
    lease.bootId = bootId();
    lease.program = ESPALIER_VERSION;
    lease.pid = ::getpid();
    lease.startTicks = startTicksOf(lease.pid);
    lease.started = wallTime();
    return lease;
}

Result<Done> writeLease(const RunFolder& folder, const Lease& lease)
{
    const Json json{{"host", lease.host},       {"boot_id", lease.bootId},  {"pid", lease.pid},        {"start_ticks", lease.startTicks},
                    {"started", lease.started}, {"program", lease.program}, {"counter", lease.counter}};
    return writeFileAtomically(folder.leaseFile(), json.dump() + "\n");
}

std::optional<Lease> readLease(const RunFolder& folder)
{
    const auto text = readFile(folder.leaseFile(), 1 << 16);
    if (!text)
        return std::nullopt;
    const auto json = parseJson(*text);
    if (!json.is_object())
        return std::nullopt;
    const auto string = [&](const char* key) {
        const auto at = json.find(key);
        return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
    };
    const auto number = [&](const char* key) {
        const auto at = json.find(key);
        return at != json.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : 0;
    };
    Lease lease{
        string("host"),   string("boot_id"), string("program"), static_cast<std::int64_t>(number("pid")), number("start_ticks"), 0.0,
        number("counter")};
    if (const auto at = json.find("started"); at != json.end() && at->is_number())
        lease.started = at->get<double>();
    if (lease.host.empty() || lease.pid <= 0)
        return std::nullopt;
    return lease;
}

Liveness LivenessProbe::probe(std::chrono::steady_clock::time_point now)
{
    const auto lease = readLease(m_folder);
    const auto boot = bootId();
    if (!lease || lease->bootId.empty() || lease->bootId == boot)
        return isLocked(m_folder) ? Liveness::Alive : Liveness::Dead;
    if (!m_counter) {
        m_counter = lease->counter;
        m_changed = now;
        return Liveness::Unknown;
    }
    if (*m_counter != lease->counter) {
        m_counter = lease->counter;
        m_changed = now;
        m_seenChange = true;
        return Liveness::Alive;
    }
    if (now - m_changed > kPatience)
        return Liveness::Dead;
    return m_seenChange ? Liveness::Alive : Liveness::Unknown;
}

} // namespace espalier::runs
