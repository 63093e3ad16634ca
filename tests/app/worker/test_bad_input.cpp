// SPDX-License-Identifier: Apache-2.0
// Bad input of every kind through the command line and the real worker: one sentence that names it, and nothing is lost.
#include "core/formats/png.h"
#include "core/runs/events.h"
#include "tests/app/worker/real_run.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sys/mount.h>
#include <sys/resource.h>

namespace espalier {

class BadInput : public RealRuns {
protected:
    void SetUp() override
    {
        RealRuns::SetUp();
        const Json mini{
            {"seed", 7},
            {"devices", "cpu"},
            {"data", {{"side", 16}, {"garden_train", 40}, {"garden_test", 20}, {"workers", 1}}},
            {"model", {{"kind", "unet"}, {"hid_channels", 32}, {"ch_multipliers", {1}}, {"num_res_blocks", 1}, {"apply_attn", {false}}}},
            {"diffusion", {{"timesteps", 60}}},
            {"training", {{"steps", 6}, {"batch_size", 2}, {"warmup_steps", 2}, {"report_every", 1}, {"threads", 1}}},
            {"checkpoints", {{"every", 2}, {"keep_last", 3}}},
            {"samples", {{"every", 0}}},
            {"evaluation", {{"every", 0}}}};
        ASSERT_TRUE(writeFileAtomically(m_folder / "tiny.json", mini.dump())); // what trainInto names
    }

    /// Exit status, the name in the sentence, and that it is one sentence or two of the program and no heap of texts.
    void expectRefused(const std::vector<std::string>& arguments, int status, const std::string& named)
    {
        std::string typed;
        for (const auto& each : arguments)
            typed += each.substr(0, 200) + ' ';
        const auto result = call(arguments);
        EXPECT_EQ(result.status, status) << typed << result.err;
        EXPECT_NE(result.err.find(named), std::string::npos) << typed << "\n" << result.err;
        EXPECT_TRUE(result.err.starts_with("espalier-cli: ")) << typed << "\n" << result.err;
        EXPECT_LT(result.err.size(), 700u) << typed;
        EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << typed << "\n" << result.err;
    }
    std::string file(const char* name, const std::string& content)
    {
        EXPECT_TRUE(writeFileAtomically(m_folder / name, content));
        return (m_folder / name).string();
    }
    static bool warned(const RunFolder& run, const std::string& part)
    {
        for (const auto& event : runs::EventReader(run.eventsFile()).poll())
            if (const auto warning = runs::eventAs<runs::Warned>(event); warning && warning->message.find(part) != std::string::npos)
                return true;
        return false;
    }
    /// Nothing half-written stands under a final name: every checkpoint has all its files with their sizes.
    static void expectWholeCheckpoints(const RunFolder& run, std::size_t count)
    {
        std::size_t found = 0;
        for (const auto& entry : fs::directory_iterator(run.checkpointsFolder())) {
            EXPECT_GE(runs::stepOfName(entry.path().filename().string()), 0) << entry.path() << " was left behind";
            const auto text = readFile(entry.path() / "manifest.json");
            ASSERT_TRUE(text) << entry.path();
            for (const auto& each : Json::parse(*text)["files"])
                EXPECT_EQ(fs::file_size(entry.path() / each["name"].get<std::string>()), each["bytes"].get<std::uint64_t>());
            ++found;
        }
        EXPECT_EQ(found, count);
        expectAllReadable(run);
    }
};

TEST_F(BadInput, ConfigurationsAreRefusedByNameBeforeAnythingIsMade)
{
    const auto run = (m_folder / "run").string();
    const auto with = [&](const std::string& config, std::vector<std::string> more = {}) {
        std::vector<std::string> all{"train", "--config", config, "--run", run, "--quiet"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    const auto set = [&](const std::string& assignment) { return with((m_folder / "tiny.json").string(), {"--set", assignment}); };
    expectRefused(with(file("unknown.json", R"({"training":{"stepz":3}})")), 2, "training.stepz");
    expectRefused(with(file("type.json", R"({"training":{"steps":"many"}})")), 2, "training.steps");
    expectRefused(with(file("range.json", R"({"training":{"steps":3,"batch_size":0}})")), 2, "training.batch_size");
    expectRefused(set("training.learning_rate=nan"), 2, "training.learning_rate");
    expectRefused(set("diffusion.beta_schedule=jsd"), 2, "diffusion.model_mean_type");
    expectRefused(with((m_folder / "nothere.json").string()), 2, "nothere.json");
    expectRefused(with(m_folder.string()), 2, m_folder.string());
    expectRefused(with("/dev/zero"), 2, "/dev/zero");
    expectRefused(with(file("empty.json", "")), 1, "empty.json");
    expectRefused(with(file("list.json", "[1]")), 2, "list.json");
    expectRefused(with(file("cut.json", R"({"training":{"ste)")), 1, "cut.json");
    expectRefused(with(file("latin.json", "{\"data\":{\"path\":\"caf\xe9\"}}")), 1, "latin.json");
    expectRefused(with(file("deep.json", std::string(500'000, '['))), 1, "deep.json");
    expectRefused(with(file("nested.json", R"({"training":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}")), 1,
                  "nested.json");
    expectRefused(with(file("huge.json", R"({"seed":")" + std::string(3 << 20, 'k') + "\"}")), 1, "huge.json");
    expectRefused(with(file("twice.json", R"({"seed":1,"seed":2})")), 2, "seed");
    expectRefused(set("training.steps=" + std::string(50'000, '[')), 2, "training.steps");
    expectRefused(with((m_folder / "tiny.json").string(), {"--set", "data.source=folder", "--set", "data.path=/nonexistent/images"}), 2,
                  "/nonexistent/images");
    expectRefused(with((m_folder / "tiny.json").string(), {"--devices", "7"}), 2, "7");
    expectRefused(with((m_folder / "tiny.json").string(), {"--devices", "97"}), 2, "97");
    expectRefused(with((m_folder / "tiny.json").string(), {"--devices", "cuda:97"}), 2, "cuda:97");
    expectRefused(with((m_folder / "tiny.json").string(), {"--devices", "cpu:3", "--set", "training.batch_size=8"}), 2,
                  "training.batch_size");
    EXPECT_FALSE(fs::exists(run));
    expectRefused({"train", "--config", (m_folder / "tiny.json").string(), "--run", file("taken", "")}, 2, "taken");
}

TEST_F(BadInput, ATruncatedImageIsNamedAndSkippedUpToOneInAHundred)
{
    const auto folder = m_folder / "images";
    fs::create_directories(folder);
    std::vector<std::uint8_t> pixels(16 * 16 * 3);
    for (int i = 0; i < 120; ++i) {
        for (std::size_t p = 0; p < pixels.size(); ++p)
            pixels[p] = static_cast<std::uint8_t>(p * 7 + static_cast<std::size_t>(i) * 13);
        char name[32];
        std::snprintf(name, sizeof name, "%03d.png", i);
        ASSERT_TRUE(formats::writePng(folder / name, {16, 16, 3, pixels}));
    }
    fs::resize_file(folder / "017.png", fs::file_size(folder / "017.png") / 2);
    const std::vector<std::string> onFolder{"--set", "data.source=folder",     "--set", "data.path=" + folder.string(),
                                            "--set", "training.batch_size=30", "--set", "training.steps=8"};
    const RunFolder one(m_folder / "one"), two(m_folder / "two");
    const auto done = call(trainInto(one, onFolder));
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_TRUE(warned(one, "017.png")) << "the history does not name the image";

    fs::resize_file(folder / "090.png", fs::file_size(folder / "090.png") / 2);
    const auto refused = call(trainInto(two, onFolder));
    EXPECT_EQ(refused.status, 1) << refused.err;
    EXPECT_NE(refused.err.find("More than 1 % of the images cannot be read"), std::string::npos) << refused.err;
    EXPECT_EQ(stateOf(two), runs::RunState::Failed);
}

TEST_F(BadInput, ADamagedCheckpointIsPassedOverByName)
{
    const RunFolder good(m_folder / "good");
    ASSERT_EQ(call(trainInto(good)).status, 0);
    const auto deep = std::string(300'000, '[');
    const std::vector<std::pair<std::string, std::function<void(const fs::path&)>>> damages{
        {"model.safetensors", [](const fs::path& c) { fs::resize_file(c / "model.safetensors", 1000); }},
        {"other content",
         [](const fs::path& c) {
             std::fstream shard(c / "optimizer.safetensors", std::ios::in | std::ios::out | std::ios::binary);
             shard.seekp(-8, std::ios::end);
             shard.put('\x5a');
         }},
        {"manifest.json", [](const fs::path& c) { fs::remove(c / "manifest.json"); }},
        {"manifest.json", [&](const fs::path& c) { std::ofstream(c / "manifest.json") << deep; }}};
    const std::vector<std::string> longer{"--set", "training.steps=7"};
    Json expected;
    for (std::size_t i = 0; i < damages.size(); ++i) {
        const RunFolder run(m_folder / ("damaged" + std::to_string(i)));
        fs::copy(good.root(), run.root(), fs::copy_options::recursive);
        damages[i].second(run.checkpointFolder(6));
        const auto done = call(trainInto(run, longer));
        EXPECT_EQ(done.status, 0) << i << done.err;
        EXPECT_TRUE(warned(run, damages[i].first)) << i << ": the history does not name " << damages[i].first;
        EXPECT_TRUE(warned(run, "step 6")) << i;
        if (i == 0)
            expected = shardsOf(run, 7);
        EXPECT_EQ(shardsOf(run, 7), expected) << i;
        EXPECT_FALSE(expected.is_null());
    }
    // When none is whole nothing starts over by itself.
    const RunFolder run(m_folder / "all");
    fs::copy(good.root(), run.root(), fs::copy_options::recursive);
    for (const std::int64_t step : {2, 4, 6})
        fs::resize_file(run.checkpointFolder(step) / "model.safetensors", 100);
    const auto refused = call(trainInto(run, longer));
    EXPECT_EQ(refused.status, 1) << refused.err;
    EXPECT_NE(refused.err.find("step-0000006/model.safetensors"), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("begin again at step 0"), std::string::npos) << refused.err;
    EXPECT_TRUE(fs::exists(run.checkpointFolder(2) / "manifest.json"));
    // Commands that take one checkpoint refuse it.
    expectRefused({"sample", "--checkpoint", run.checkpointFolder(6).string(), "--out", (m_folder / "out").string(), "--num", "1",
                   "--weights", "raw", "--quiet"},
                  1, "model.safetensors");
    std::ofstream(run.checkpointFolder(6) / "manifest.json") << deep;
    expectRefused({"sample", "--checkpoint", run.checkpointFolder(6).string(), "--out", (m_folder / "out").string(), "--num", "1",
                   "--weights", "raw", "--quiet"},
                  1, "manifest.json");
    // So is a run whose configuration is garbage.
    std::ofstream(run.configFile()) << deep;
    const auto garbage = call(trainInto(run));
    EXPECT_EQ(garbage.status, 1);
    EXPECT_NE(garbage.err.find("config.json"), std::string::npos) << garbage.err;
}

TEST_F(BadInput, ALiveRunIsNotTakenByAnother)
{
    const RunFolder run(m_folder / "live");
    CliProcess live(trainInto(run, {"--set", "training.steps=1000000", "--set", "checkpoints.every=0"}), {}, m_folder / "start");
    ASSERT_TRUE(passes(run, 2)) << live.err();
    expectRefused(trainInto(run, {"--set", "training.steps=1000000", "--set", "checkpoints.every=0"}), 1, "is in use by");
    expectRefused({"sample", "--checkpoint", run.root().string(), "--out", (m_folder / "out").string(), "--quiet"}, 1, "is training");
    EXPECT_TRUE(live.running());
    live.signal(SIGTERM);
    EXPECT_EQ(live.wait(60s), 0) << live.err();
}

TEST_F(BadInput, AFullDiskEndsTheRunWithASentenceAndLosesNothing)
{
    const auto disk = m_folder / "disk";
    fs::create_directories(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64m") != 0)
        GTEST_SKIP() << "No small disk can be mounted here: " << std::strerror(errno);
    const auto unmount = [](const fs::path* at) { ::umount2(at->c_str(), MNT_DETACH); };
    const std::unique_ptr<const fs::path, decltype(unmount)> mounted(&disk, unmount);

    const RunFolder straight(m_folder / "straight"), run(disk / "run");
    ASSERT_EQ(call(trainInto(straight)).status, 0);
    ASSERT_EQ(call(trainInto(run, {"--set", "training.steps=2"})).status, 0);
    {
        std::ofstream filler(disk / "filler", std::ios::binary); // all but a few pages
        const std::vector<char> page(1 << 12);
        const auto left = fs::space(disk).available / page.size();
        for (std::uintmax_t i = 0; i + 40 < left; ++i)
            filler.write(page.data(), static_cast<std::streamsize>(page.size()));
    }
    const auto full = call(trainInto(run));
    EXPECT_EQ(full.status, 1) << full.err;
    EXPECT_NE(full.err.find("No space left on device. Free some space"), std::string::npos) << full.err;
    EXPECT_NE(full.err.find(run.root().string()), std::string::npos) << full.err;
    EXPECT_EQ(stateOf(run), runs::RunState::Failed);
    expectWholeCheckpoints(run, 1);
    fs::remove(disk / "filler");
    const auto resumed = call(trainInto(run));
    EXPECT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(shardsOf(run, 6), shardsOf(straight, 6));
    EXPECT_FALSE(shardsOf(run, 6).is_null());
}

TEST_F(BadInput, AFileThatMayNotGrowEndsTheRunWithASentence)
{
    const RunFolder straight(m_folder / "straight"), run(m_folder / "run");
    ASSERT_EQ(call(trainInto(straight)).status, 0);
    ASSERT_EQ(call(trainInto(run, {"--set", "training.steps=2"})).status, 0);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit small{64 << 10, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0); // inherited: as with `ulimit -f`, or a quota
    const auto limited = call(trainInto(run));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(limited.status, 1) << limited.err;
    EXPECT_NE(limited.err.find("model.safetensors: File too large"), std::string::npos) << limited.err;
    EXPECT_EQ(stateOf(run), runs::RunState::Failed);
    expectWholeCheckpoints(run, 1);
    const auto resumed = call(trainInto(run));
    EXPECT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(shardsOf(run, 6), shardsOf(straight, 6));
}

} // namespace espalier
