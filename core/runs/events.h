// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/runs/event_fields.h"
#include "core/runs/run_state.h"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace espalier::runs {

/// One line of events.jsonl: {"time": …, "kind": "checkpoint", …fields}.
struct Event {
    double time = 0.0; // seconds since 1970
    std::string kind;
    Json fields = Json::object();
};

// The kinds that we write. Each has its `kKind`, and describe() lists its fields by their names and in their order in the line.

struct Created {
    static constexpr std::string_view kKind = "created";
    std::string runId, name, program;
    static void describe(auto& self, auto&& field)
    {
        field("run_id", self.runId);
        field("name", self.name);
        field("program", self.program);
    }
};
struct StateChanged {
    static constexpr std::string_view kKind = "state";
    RunState state = RunState::New;
    std::string why;
    static void describe(auto& self, auto&& field)
    {
        field("state", self.state);
        field("why", self.why);
    }
};
/// An attempt begins: what it runs on and how long it will be (0: no such limit; ofSteps is the forecast when only others limit).
struct Started {
    static constexpr std::string_view kKind = "started";
    int attempt = 1;
    std::int64_t fromStep = 0;
    int ranks = 1;
    std::string devices;
    std::int64_t ofSteps = 0, ofImages = 0;
    double ofSeconds = 0.0;
    static void describe(auto& self, auto&& field)
    {
        field("attempt", self.attempt);
        field("from_step", self.fromStep);
        field("ranks", self.ranks);
        field("devices", self.devices);
        field("of_steps", self.ofSteps);
        field("of_images", self.ofImages);
        field("of_seconds", self.ofSeconds);
    }
};
/// Attempt `attempt` goes on from `fromStep`: scalars, samples and checkpoints of earlier attempts beyond it are superseded.
struct Resumed {
    static constexpr std::string_view kKind = "resumed";
    int attempt = 2;
    std::int64_t fromStep = 0;
    static void describe(auto& self, auto&& field)
    {
        field("attempt", self.attempt);
        field("from_step", self.fromStep);
    }
};
/// A new run begins with weights of another: `changes` says what was not taken over as it is.
struct Initialised {
    static constexpr std::string_view kKind = "initialised";
    std::string path, weights, sha256;
    std::int64_t step = -1; // of the training that made them; -1: unknown
    std::string model;      // as recognised; may be empty
    Json changes = Json::array();
    static void describe(auto& self, auto&& field)
    {
        field("path", self.path);
        field("weights", self.weights);
        field("sha256", self.sha256);
        field("step", self.step);
        field("model", self.model);
        field("changes", self.changes, Kept::AsItIs);
    }
};
/// The run goes on from the end of a stage of another: what is before this event came from there.
struct Forked {
    static constexpr std::string_view kKind = "forked";
    std::string runId, name; // of the run that it leaves
    int stage = 0;           // the last one of that run that it has, as a person counts: from 0
    std::int64_t step = 0;   // where that stage ended
    static void describe(auto& self, auto&& field)
    {
        field("run_id", self.runId);
        field("name", self.name);
        field("stage", self.stage);
        field("step", self.step);
    }
};
struct StageStarted {
    static constexpr std::string_view kKind = "stage";
    int index = 0;
    std::string id;
    std::int64_t fromStep = 0;
    static void describe(auto& self, auto&& field)
    {
        field("index", self.index);
        field("id", self.id);
        field("from_step", self.fromStep);
    }
};
/// A search has found the size of a stage. Its candidates and their scores are in plan.json.
struct Searched {
    static constexpr std::string_view kKind = "search";
    int stage = 0;      // whose size it is, as a person counts
    std::string id;     // of the measurement that decided, as in plan.json
    std::string chosen; // the candidate: "r128_l9"
    std::int64_t step = 0;
    double seconds = 0.0; // spent on searching so far
    static void describe(auto& self, auto&& field)
    {
        field("stage", self.stage);
        field("id", self.id);
        field("chosen", self.chosen);
        field("step", self.step);
        field("seconds", self.seconds);
    }
};
struct CheckpointWritten {
    static constexpr std::string_view kKind = "checkpoint";
    std::int64_t step = 0;
    int stage = 0;
    std::string folder; // relative: "checkpoints/step-0000100"
    std::uint64_t bytes = 0;
    std::string because; // "interval", "wish", "pause", "stop", "finish", "stage"
    static void describe(auto& self, auto&& field)
    {
        field("step", self.step);
        field("stage", self.stage);
        field("folder", self.folder);
        field("bytes", self.bytes);
        field("because", self.because);
    }
};
struct CheckpointRemoved {
    static constexpr std::string_view kKind = "checkpoint_removed";
    std::int64_t step = 0;
    std::string folder, because;
    static void describe(auto& self, auto&& field)
    {
        field("step", self.step);
        field("folder", self.folder);
        field("because", self.because);
    }
};
struct SamplesDrawn {
    static constexpr std::string_view kKind = "samples";
    std::int64_t step = 0;
    int stage = 0;
    std::string weights; // "ema", "ema:0.9999", "raw"
    std::string folder;  // relative
    std::string grid;    // relative: the grid's PNG
    std::int64_t count = 0;
    int columns = 0;
    Json recipe = Json::object(); // sampler, steps, eta, seed, classes …
    double seconds = 0.0;
    static void describe(auto& self, auto&& field)
    {
        field("step", self.step);
        field("stage", self.stage);
        field("weights", self.weights);
        field("folder", self.folder);
        field("grid", self.grid);
        field("count", self.count);
        field("columns", self.columns);
        field("recipe", self.recipe);
        field("seconds", self.seconds);
    }
};
struct Evaluated {
    static constexpr std::string_view kKind = "evaluation";
    std::int64_t step = 0;
    int stage = 0;
    std::string weights;
    std::string metric; // "fd", "fid", "nearest" …
    double value = std::numeric_limits<double>::quiet_NaN();
    std::optional<double> spread, floor, ceiling;
    Json recipe = Json::object(); // says "name": "FD-1k, EMA, DDIM-50, seed 1" and all that it rests on
    Json extra = Json::object();  // other numbers of the same evaluation
    double seconds = 0.0;
    static void describe(auto& self, auto&& field)
    {
        field("step", self.step);
        field("stage", self.stage);
        field("weights", self.weights);
        field("metric", self.metric);
        field("value", self.value);
        field("spread", self.spread);
        field("floor", self.floor);
        field("ceiling", self.ceiling);
        field("recipe", self.recipe);
        field("extra", self.extra);
        field("seconds", self.seconds);
    }
};
struct Warned {
    static constexpr std::string_view kKind = "warning";
    std::string message;
    std::int64_t step = -1; // -1: not at a step
    static void describe(auto& self, auto&& field)
    {
        field("message", self.message);
        field("step", self.step, Kept::WhenKnown);
    }
};
struct Overridden {
    static constexpr std::string_view kKind = "override";
    std::string path;
    Json before, after;
    bool forced = false; // --override on a setting that may not change
    static void describe(auto& self, auto&& field)
    {
        field("path", self.path);
        field("before", self.before, Kept::AsItIs);
        field("after", self.after, Kept::AsItIs);
        field("forced", self.forced);
    }
};
struct WishAnswered {
    static constexpr std::string_view kKind = "wish";
    std::string id, wish, answer; // answer: one sentence
    bool granted = true;
    std::int64_t step = -1;
    static void describe(auto& self, auto&& field)
    {
        field("id", self.id);
        field("wish", self.wish);
        field("answer", self.answer);
        field("granted", self.granted);
        field("step", self.step, Kept::WhenKnown);
    }
};
struct Failed {
    static constexpr std::string_view kKind = "failure";
    std::string message, detail;
    std::int64_t step = -1;
    std::string checkpoint; // relative folder of the last good checkpoint, or ""
    int rank = -1;
    std::string code; // "memory", "io", "lost" … (errorCodeText)
    static void describe(auto& self, auto&& field)
    {
        field("message", self.message);
        field("detail", self.detail);
        field("step", self.step, Kept::WhenKnown);
        field("checkpoint", self.checkpoint);
        field("rank", self.rank, Kept::WhenKnown);
        field("code", self.code);
    }
};

template <class T>
Json fieldsOf(const T& what)
{
    Json fields = Json::object();
    T::describe(what, [&](const char* key, const auto& value, Kept kept = Kept::Always) { putField(fields, key, value, kept); });
    return fields;
}
/// Nothing where the event is of another kind, or a field has a wrong type. A field that is missing keeps its default.
template <class T>
std::optional<T> eventAs(const Event& event)
{
    T what;
    bool good = event.kind == T::kKind && event.fields.is_object();
    T::describe(what,
                [&](const char* key, auto& value, Kept kept = Kept::Always) { good = good && getField(event.fields, key, value, kept); });
    return good ? std::optional<T>(std::move(what)) : std::nullopt;
}

template <class T>
Event makeEvent(const T& what, double time)
{
    return {time, std::string(T::kKind), fieldsOf(what)};
}
/// Stamped with the time now.
Event makeEventNow(std::string_view kind, Json fields);
template <class T>
Event makeEvent(const T& what)
{
    return makeEventNow(T::kKind, fieldsOf(what));
}

/// "usage", "io", "memory" …
std::string_view errorCodeText(ErrorCode code);
ErrorCode errorCodeFromText(std::string_view text);

std::string eventLine(const Event& event); // with the newline
std::optional<Event> parseEventLine(std::string_view line);

/// The pen of events.jsonl: one write per line. A file that does not end in a newline gets one on opening. Blocks are taken ahead of the
/// file's end where the disk can do that, so that the reason of a failure finds room on a full disk. One thread.
class EventLog {
public:
    static Result<EventLog> open(const std::filesystem::path& file);
    EventLog(EventLog&&) noexcept;
    EventLog& operator=(EventLog&&) noexcept;
    ~EventLog();

    Result<Done> append(const Event& event);
    template <class T>
    Result<Done> write(const T& what)
    {
        return append(makeEvent(what));
    }

private:
    EventLog(int fd, std::filesystem::path file) : m_fd(fd), m_file(std::move(file)) {}
    void reserve(std::int64_t end);
    int m_fd = -1;
    std::filesystem::path m_file;
    std::int64_t m_reservedTo = 0; // of the file, so that a full disk leaves room to say that it is full
    bool m_torn = false;           // the last write stopped in the middle of its line
};

/// Reads a growing events.jsonl piece by piece. Skips lines that are no events (counted) or longer than kMaxLine; leaves a torn last line
/// for later.
class EventReader {
public:
    static constexpr std::size_t kMaxLine = 1 << 20;
    explicit EventReader(std::filesystem::path file) : m_file(std::move(file)) {}
    /// What was added since the last call. A file that is not there yet has nothing; one that shrank is read anew (restarted() says so).
    std::vector<Event> poll();
    std::int64_t badLines() const { return m_badLines; }
    bool restarted() const { return m_restarted; }

private:
    std::filesystem::path m_file;
    std::uint64_t m_offset = 0, m_inode = 0;
    std::string m_rest;
    bool m_skipping = false, m_restarted = false;
    std::int64_t m_badLines = 0;
};

} // namespace espalier::runs
