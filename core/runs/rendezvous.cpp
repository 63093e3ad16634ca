// SPDX-License-Identifier: Apache-2.0
#include "core/runs/rendezvous.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>

namespace espalier::runs {
namespace {

constexpr int kMostRanks = 1 << 20;
constexpr std::array kRead{"RANK",
                           "WORLD_SIZE",
                           "LOCAL_RANK",
                           "LOCAL_WORLD_SIZE",
                           "MASTER_ADDR",
                           "MASTER_PORT",
                           "TORCHELASTIC_USE_AGENT_STORE",
                           "TORCHELASTIC_RESTART_COUNT",
                           "ESPALIER_MEETING_FILE",
                           "ENVIRONMENT",
                           "SLURM_PROCID",
                           "SLURM_LOCALID",
                           "SLURM_NTASKS",
                           "SLURM_NPROCS",
                           "SLURM_STEP_ID",
                           "SLURM_STEPID",
                           "SLURM_STEP_NUM_TASKS",
                           "SLURM_STEP_TASKS_PER_NODE",
                           "SLURM_TASKS_PER_NODE",
                           "SLURM_NODEID",
                           "SLURM_STEP_NODELIST",
                           "SLURM_JOB_NODELIST",
                           "SLURM_NODELIST",
                           "SLURM_RESTART_COUNT",
                           "OMPI_COMM_WORLD_RANK",
                           "OMPI_COMM_WORLD_SIZE",
                           "OMPI_COMM_WORLD_LOCAL_RANK",
                           "OMPI_COMM_WORLD_LOCAL_SIZE",
                           "PMI_RANK",
                           "PMI_SIZE",
                           "PMI_LOCAL_RANK",
                           "PMI_LOCAL_SIZE",
                           "MPI_LOCALRANKID",
                           "MPI_LOCALNRANKS"};

std::optional<int> wholeNumber(std::string_view text)
{
    int value = 0;
    const auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), value);
    return why == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

/// Reads variables by name and remembers the first sentence about one that is wrong.
class Reader {
public:
    Reader(const Variables& variables, Launcher launcher) : m_variables(variables), m_launcher(launcher) {}

    /// An empty one counts as not set: batch scripts clear variables so.
    const std::string* text(const char* name) const
    {
        const auto at = m_variables.find(name);
        return at == m_variables.end() || at->second.empty() ? nullptr : &at->second;
    }
    /// The first of these that is set.
    const char* firstOf(std::initializer_list<const char*> names) const
    {
        for (const auto* name : names)
            if (text(name))
                return name;
        return nullptr;
    }
    int number(const char* name, int low, int high, int otherwise)
    {
        const auto* given = name ? text(name) : nullptr;
        if (!given)
            return otherwise;
        const auto value = wholeNumber(*given);
        if (!value || *value < low || *value > high) {
            wrong(
                fmt::format("{}={} in the environment makes no sense: it must be a whole number from {} to {}.", name, *given, low, high));
            return otherwise;
        }
        return *value;
    }
    int required(const char* name, const char* because, int low, int high)
    {
        if (!text(name))
            wrong(fmt::format("{} is set in the environment but {} is not.", because, name));
        return number(name, low, high, low);
    }
    void wrong(std::string sentence)
    {
        if (!m_error)
            m_error = Error{
                ErrorCode::Usage, fmt::format("{} Unset what is left over, or start through {}.", sentence, launcherName(m_launcher)), {}};
    }
    const std::optional<Error>& error() const { return m_error; }

private:
    const Variables& m_variables;
    const Launcher m_launcher;
    std::optional<Error> m_error;
};

void readRank(Reader& reader, Rendezvous& place, const char* rank, const char* size)
{
    place.worldSize = reader.required(size, rank, 1, kMostRanks);
    place.rank = reader.required(rank, size, 0, kMostRanks);
    if (place.rank >= place.worldSize)
        reader.wrong(fmt::format("{}={} and {}={} in the environment contradict each other: ranks count from 0.", rank, place.rank, size,
                                 place.worldSize));
}

/// `rank` and `size` may be null or not set.
void readLocal(Reader& reader, Rendezvous& place, const char* rank, const char* size)
{
    place.localWorldSize = reader.number(size, 1, place.worldSize, 0);
    place.localRank = reader.number(rank, 0, kMostRanks, 0);
    if (place.localWorldSize > 0 && place.localRank >= place.localWorldSize)
        reader.wrong(fmt::format("{}={} and {}={} in the environment contradict each other: ranks count from 0.", rank, place.localRank,
                                 size, place.localWorldSize));
    if (place.localRank > place.rank)
        reader.wrong(
            fmt::format("{}={} in the environment contradicts rank {}: no rank has so many before it.", rank, place.localRank, place.rank));
}

/// Tasks on the machine of this one: from the list of all machines, and the place of this one in it.
void readSlurmTasks(Reader& reader, Rendezvous& place)
{
    const auto* name = reader.firstOf({"SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"});
    if (!name)
        return;
    const auto tasks = slurmTasks(*reader.text(name));
    if (!tasks)
        return reader.wrong(fmt::format("{}={} in the environment makes no sense.", name, *reader.text(name)));
    const auto node = static_cast<std::size_t>(reader.number("SLURM_NODEID", 0, kMostRanks, 0));
    if (node < tasks->size() && (*tasks)[node] > place.localRank)
        place.localWorldSize = (*tasks)[node];
}

void readSlurmHost(Reader& reader, Rendezvous& place)
{
    const auto* name = reader.firstOf({"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"});
    if (!name || !place.address.empty())
        return;
    if (const auto hosts = slurmHosts(*reader.text(name)); hosts && !hosts->empty())
        place.address = hosts->front();
    else
        reader.wrong(fmt::format("{}={} in the environment is no list of machines.", name, *reader.text(name)));
}

void readAddress(Reader& reader, Rendezvous& place)
{
    const auto* address = reader.text("MASTER_ADDR");
    place.port = reader.number("MASTER_PORT", 1, 65535, 0);
    if (address)
        place.address = *address;
    if (address && !reader.text("MASTER_PORT"))
        reader.wrong("MASTER_ADDR is set in the environment but MASTER_PORT is not.");
}

Launcher launcherOf(const Reader& reader)
{
    if (reader.text("RANK"))
        return Launcher::Torchrun;
    if (reader.firstOf({"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}))
        return Launcher::OpenMpi;
    // Slurm speaks PMI too; Hydra says its own places.
    if (reader.text("PMI_RANK") && (reader.text("MPI_LOCALRANKID") || !reader.text("SLURM_PROCID")))
        return Launcher::Pmi;
    // The batch script of a job has a rank too, but srun did not start it.
    const auto* batch = reader.text("ENVIRONMENT");
    const bool byScript = batch && *batch == "BATCH" && !reader.firstOf({"SLURM_STEP_ID", "SLURM_STEPID", "SLURM_STEP_NUM_TASKS"});
    return reader.text("SLURM_PROCID") && !byScript ? Launcher::Slurm : Launcher::None;
}

} // namespace

std::string_view launcherName(Launcher launcher)
{
    switch (launcher) {
    case Launcher::Torchrun:
        return "torchrun";
    case Launcher::Slurm:
        return "srun";
    case Launcher::OpenMpi:
        return "mpirun";
    case Launcher::Pmi:
        return "mpiexec";
    case Launcher::None:
        break;
    }
    return "espalier-cli";
}

Result<Rendezvous> rendezvousFrom(const Variables& variables)
{
    Rendezvous place;
    place.launcher = launcherOf(Reader(variables, Launcher::None));
    if (!place.placed())
        return place;
    Reader reader(variables, place.launcher);
    readAddress(reader, place);
    switch (place.launcher) {
    case Launcher::Torchrun: {
        readRank(reader, place, "RANK", "WORLD_SIZE");
        readLocal(reader, place, "LOCAL_RANK", "LOCAL_WORLD_SIZE");
        const auto* agent = reader.text("TORCHELASTIC_USE_AGENT_STORE");
        place.agentHoldsStore = agent && *agent == "True";
        if (place.agentHoldsStore && place.address.empty())
            reader.wrong("TORCHELASTIC_USE_AGENT_STORE is set in the environment but MASTER_ADDR is not.");
        place.restart = reader.number("TORCHELASTIC_RESTART_COUNT", 0, kMostRanks, 0);
        break;
    }
    case Launcher::OpenMpi:
        readRank(reader, place, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
        readLocal(reader, place, "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE");
        break;
    case Launcher::Pmi:
        readRank(reader, place, "PMI_RANK", "PMI_SIZE");
        readLocal(reader, place, reader.firstOf({"MPI_LOCALRANKID", "PMI_LOCAL_RANK"}),
                  reader.firstOf({"MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"}));
        break;
    case Launcher::Slurm: {
        const auto* size = reader.firstOf({"SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS"});
        readRank(reader, place, "SLURM_PROCID", size ? size : "SLURM_NTASKS");
        readLocal(reader, place, "SLURM_LOCALID", nullptr);
        readSlurmTasks(reader, place);
        readSlurmHost(reader, place);
        place.restart = reader.number("SLURM_RESTART_COUNT", 0, kMostRanks, 0);
        break;
    }
    case Launcher::None:
        break;
    }
    if (reader.error())
        return *reader.error();
    // One task of Slurm or MPI is a way to start the command, which then starts its own ranks.
    if (place.worldSize == 1 && place.launcher != Launcher::Torchrun)
        return Rendezvous{};
    if (const auto* file = reader.text("ESPALIER_MEETING_FILE"))
        place.meetingFile = *file;
    return place;
}

Variables rendezvousVariables()
{
    Variables variables;
    for (const auto* name : kRead)
        if (const char* value = std::getenv(name))
            variables[name] = value;
    return variables;
}

std::optional<std::vector<int>> slurmTasks(std::string_view list)
{
    std::vector<int> tasks;
    for (std::size_t begin = 0; begin <= list.size();) {
        const auto end = std::min(list.find(',', begin), list.size());
        auto part = list.substr(begin, end - begin);
        begin = end + 1;
        int times = 1;
        if (const auto open = part.find("(x"); open != std::string_view::npos && part.ends_with(')')) {
            const auto count = wholeNumber(part.substr(open + 2, part.size() - open - 3));
            if (!count || *count < 1)
                return std::nullopt;
            times = *count;
            part = part.substr(0, open);
        }
        const auto count = wholeNumber(part);
        if (!count || *count < 1 || times > kMostRanks || tasks.size() + static_cast<std::size_t>(times) > kMostRanks)
            return std::nullopt;
        tasks.insert(tasks.end(), static_cast<std::size_t>(times), *count);
    }
    return tasks;
}

namespace {

/// "003-005,9" within brackets, between what stands before and after them.
bool addHosts(std::string_view ranges, const std::string& before, const std::string& after, std::vector<std::string>& hosts)
{
    for (std::size_t begin = 0; begin <= ranges.size();) {
        const auto end = std::min(ranges.find(',', begin), ranges.size());
        const auto part = ranges.substr(begin, end - begin);
        begin = end + 1;
        const auto dash = part.find('-');
        const auto from = part.substr(0, dash), to = dash == std::string_view::npos ? from : part.substr(dash + 1);
        const auto first = wholeNumber(from), last = wholeNumber(to);
        if (!first || !last || *first < 0 || *last < *first || *last - *first >= kMostRanks)
            return false;
        for (int i = *first; i <= *last; ++i)
            hosts.push_back(fmt::format("{}{:0{}}{}", before, i, from.size(), after)); // leading zeros stay
    }
    return true;
}

} // namespace

std::optional<std::vector<std::string>> slurmHosts(std::string_view list)
{
    std::vector<std::string> hosts;
    for (std::size_t begin = 0; begin < list.size();) {
        auto end = begin; // of this entry: a comma within brackets is none of ours
        for (bool inside = false; end < list.size() && (inside || list[end] != ','); ++end)
            inside = list[end] == '[' || (inside && list[end] != ']');
        const auto entry = list.substr(begin, end - begin);
        begin = end + 1;
        const auto open = entry.find('['), close = entry.find(']');
        if (entry.empty() || (open == std::string_view::npos) != (close == std::string_view::npos))
            return std::nullopt;
        if (open == std::string_view::npos)
            hosts.emplace_back(entry);
        else if (close < open || !addHosts(entry.substr(open + 1, close - open - 1), std::string(entry.substr(0, open)),
                                           std::string(entry.substr(close + 1)), hosts))
            return std::nullopt;
    }
    return hosts.empty() ? std::nullopt : std::optional(std::move(hosts));
}

} // namespace espalier::runs
