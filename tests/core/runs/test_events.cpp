// SPDX-License-Identifier: Apache-2.0
#include "core/runs/events.h"
#include "tests/core/runs/run_files.h"

#include <cmath>
#include <limits>
#include <random>

namespace espalier::runs {

class Events : public tests::RunFiles {
protected:
    std::filesystem::path m_file = m_folder / "events.jsonl";
};

TEST_F(Events, SurviveARoundTrip)
{
    Evaluated e;
    e.step = 500;
    e.weights = "ema";
    e.metric = "fd";
    e.value = 12.5;
    e.floor = 1.25;
    e.recipe = {{"name", "FD-1k"}};
    {
        auto log = EventLog::open(m_file);
        ASSERT_TRUE(log);
        ASSERT_TRUE(log->write(StateChanged{RunState::Training, "go"}));
        ASSERT_TRUE(log->write(e));
        ASSERT_TRUE(log->write(Failed{"No memory left. Lower the batch.", "line 1\nline 2", 7, "checkpoints/step-0000005", 1, "memory"}));
        ASSERT_TRUE(log->write(Overridden{"training.steps", 10, 20, false}));
        ASSERT_TRUE(log->write(Searched{2, "stage-02:score-1", "r128_l9", 500, 12.5}));
        ASSERT_TRUE(log->write(Forked{"0123", "parent", 1, 400}));
    }
    EventReader reader(m_file);
    const auto events = reader.poll();
    ASSERT_EQ(events.size(), 6u);
    EXPECT_EQ(eventAs<StateChanged>(events[0])->state, RunState::Training);
    const auto back = eventAs<Evaluated>(events[1]);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->value, 12.5);
    EXPECT_EQ(back->floor, 1.25);
    EXPECT_FALSE(back->ceiling);
    EXPECT_EQ(back->recipe["name"], "FD-1k");
    EXPECT_EQ(eventAs<Failed>(events[2])->detail, "line 1\nline 2");
    EXPECT_EQ(eventAs<Overridden>(events[3])->after, 20);
    const auto searched = eventAs<Searched>(events[4]);
    ASSERT_TRUE(searched);
    EXPECT_EQ(searched->chosen, "r128_l9");
    EXPECT_EQ(searched->seconds, 12.5);
    const auto forked = eventAs<Forked>(events[5]);
    ASSERT_TRUE(forked);
    EXPECT_EQ(forked->name, "parent");
    EXPECT_EQ(forked->step, 400);
    EXPECT_FALSE(eventAs<StateChanged>(events[1]));
    EXPECT_EQ(reader.poll().size(), 0u);
}

TEST_F(Events, ATornLastLineIsEndedByTheNextWriter)
{
    append(m_file, R"({"time":1,"kind":"state","state":"training","why":""})"
                   "\n"
                   R"({"time":2,"kind":"sta)");
    EventReader reader(m_file);
    EXPECT_EQ(reader.poll().size(), 1u);
    auto log = EventLog::open(m_file);
    ASSERT_TRUE(log);
    ASSERT_TRUE(log->write(StateChanged{RunState::Paused, ""}));
    const auto events = reader.poll();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(eventAs<StateChanged>(events[0])->state, RunState::Paused);
    EXPECT_EQ(reader.badLines(), 1);
}

TEST_F(Events, NaNIsNullAndBack)
{
    Evaluated e;
    e.metric = "fd";
    const auto line = eventLine(makeEvent(e));
    EXPECT_NE(line.find("\"value\":null"), std::string::npos);
    EXPECT_TRUE(std::isnan(eventAs<Evaluated>(*parseEventLine(line))->value));
}

TEST_F(Events, FieldsOfAWrongTypeMakeNoEvent)
{
    const auto as = [](auto kind, Json fields) {
        using T = decltype(kind);
        return eventAs<T>({0.0, std::string(T::kKind), std::move(fields)});
    };
    EXPECT_FALSE(as(StateChanged{}, Json::object())) << "a state must be there";
    EXPECT_FALSE(as(StateChanged{}, {{"state", "asleep"}}));
    EXPECT_FALSE(as(StateChanged{}, Json::array()));
    EXPECT_FALSE(as(Warned{}, {{"message", 7}}));
    EXPECT_FALSE(as(Started{}, {{"of_steps", 1.5}}));
    EXPECT_FALSE(as(Started{}, {{"attempt", std::int64_t{1} << 40}}));
    EXPECT_FALSE(as(Started{}, {{"of_seconds", "long"}}));
    EXPECT_FALSE(as(CheckpointWritten{}, {{"bytes", -1}}));
    EXPECT_FALSE(as(WishAnswered{}, {{"granted", 1}}));
    EXPECT_FALSE(as(Evaluated{}, {{"spread", "wide"}}));
    EXPECT_FALSE(as(Evaluated{}, {{"recipe", Json::array()}}));
    const auto bare = as(Evaluated{}, {{"spread", nullptr}, {"recipe", nullptr}, {"of_another_version", 1}});
    ASSERT_TRUE(bare);
    EXPECT_FALSE(bare->spread);
    EXPECT_EQ(bare->recipe, Json::object());
    EXPECT_EQ(as(Initialised{}, {{"changes", "none"}})->changes, "none");
    EXPECT_EQ(fieldsOf(Failed{"Lost.", "", -1, "", 2, "lost"}).dump(),
              R"({"message":"Lost.","detail":"","checkpoint":"","rank":2,"code":"lost"})");
}

TEST_F(Events, BytesThatAreNoTextStillMakeALine)
{
    const auto line = eventLine(makeEvent(Warned{"could not read \xff\xfe.png", -1}));
    EXPECT_TRUE(parseEventLine(line));
}

TEST_F(Events, HostileLinesAreLeftOut)
{
    append(m_file, std::string(3 << 20, '[') + "\n"); // longer than a line may be
    append(m_file, std::string(1000, '{') + "\n");    // deep
    append(m_file, "\"text\"\n42\n{}\nnull\n\n");     // no events
    append(m_file, R"({"time":"x","kind":"state"})"
                   "\n"); // wrong type
    append(m_file, R"({"time":1,"kind":"state","state":7})"
                   "\n"); // an event that says nothing
    append(m_file, std::string("\0\1\2", 3) + "\n");
    append(m_file, R"({"time":1,"kind":"checkpoint","step":1e400,"bytes":-1})"
                   "\n");
    append(m_file, R"({"time":5,"kind":"state","state":"paused"})"
                   "\n");
    EventReader reader(m_file);
    const auto events = reader.poll();
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(eventAs<StateChanged>(events.back())->state, RunState::Paused);
    EXPECT_FALSE(eventAs<StateChanged>(events.front()));
    EXPECT_GE(reader.badLines(), 7);
}

TEST_F(Events, RandomBytesNeverHurt)
{
    std::mt19937 random(1);
    const std::string good = eventLine(makeEvent(CheckpointWritten{100, 0, "checkpoints/step-0000100", 5, "wish"}));
    for (int round = 0; round < 2000; ++round) {
        std::string line = good;
        for (int i = 0; i < 3; ++i)
            line[random() % line.size()] = static_cast<char>(random());
        if (const auto event = parseEventLine(line))
            (void)eventAs<CheckpointWritten>(*event);
    }
}

} // namespace espalier::runs
