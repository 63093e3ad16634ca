// SPDX-License-Identifier: Apache-2.0
#include "core/formats/torch_file.h"
#include "core/runs/library.h"
#include "tests/app/worker/real_run.h"

#include <algorithm>

namespace espalier {

namespace {

using formats::TorchNode;

/// The checkpoint that the published DDPM code would have written of these weights, trained data-parallel.
std::vector<TorchNode> asPublished(const formats::SafetensorsReader& weights)
{
    std::vector<TorchNode> model, shadow;
    for (const auto& entry : weights.entries()) {
        auto item = formats::safetensorsItem(entry.name, entry.dtype, entry.shape, *weights.bytes(entry));
        model.push_back({"module." + entry.name, item});
        shadow.push_back({entry.name, std::move(item)});
    }
    return {{"model", std::move(model)},
            {"ema", std::vector<TorchNode>{{"decay", Json(0.9999)}, {"shadow", std::move(shadow)}, {"num_updates", Json(7)}}},
            {"epoch", Json(1)}};
}

} // namespace

TEST_F(RealRuns, TrainPauseResumeAndEqualAnUndisturbedRun)
{
    const RunFolder straight(m_folder / "straight"), paused(m_folder / "paused");
    const auto done = call(trainInto(straight));
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(stateOf(straight), runs::RunState::Finished);
    EXPECT_TRUE(fs::exists(straight.samplesFolder(0, 30) / "ema.png"));
    EXPECT_TRUE(fs::exists(straight.planFile()));
    EXPECT_EQ(call(trainInto(straight)).status, 0); // finished: nothing to do

    {
        CliProcess process(trainInto(paused), {}, m_folder / "start");
        ASSERT_TRUE(passes(paused, 13)) << process.err();
        ASSERT_TRUE(runs::sendWish(paused, runs::WishKind::Pause));
        EXPECT_EQ(process.wait(60s), 0);
    }
    EXPECT_EQ(stateOf(paused), runs::RunState::Paused);
    EXPECT_LT(runs::storedCheckpoints(paused).back().step, 60);
    const auto resumed = call(trainInto(paused));
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(shardsOf(straight, 60), shardsOf(paused, 60));
    EXPECT_FALSE(shardsOf(straight, 60).is_null());
}

TEST_F(RealRuns, GrantWishesWhileTraining)
{
    const RunFolder run(m_folder / "wishes");
    CliProcess process(trainInto(run, {"--set", "training.steps=100000"}), {}, m_folder / "start");
    ASSERT_TRUE(passes(run, 3)) << process.err();
    for (const auto kind : {runs::WishKind::Checkpoint, runs::WishKind::Sample, runs::WishKind::Evaluate}) {
        const auto id = runs::sendWish(run, kind);
        ASSERT_TRUE(id);
        runs::RunFollower follower(run.root());
        EXPECT_TRUE(eventually(
            [&] {
                for (const auto& event : follower.poll().events)
                    if (const auto answer = runs::eventAs<runs::WishAnswered>(event); answer && answer->id == *id)
                        return answer->granted;
                return false;
            },
            60s))
            << runs::wishText(kind) << process.err();
    }
    ASSERT_TRUE(runs::sendWish(run, runs::WishKind::Sample, {{"count", 3}, {"sampler", {{"eta", 0.5}}}}));
    runs::RunFollower follower(run.root());
    Json recipe;
    ASSERT_TRUE(eventually(
        [&] {
            follower.poll();
            const auto found = std::ranges::find(follower.samples(), 3, [](const auto& each) { return each.drawn.count; });
            return found != follower.samples().end() && !(recipe = found->drawn.recipe).empty();
        },
        60s))
        << process.err();
    EXPECT_EQ(recipe["eta"], 0.5);
    EXPECT_EQ(recipe["sampler"], "DDIM-3") << "what was not wished for is as the settings of the run say";
    ASSERT_FALSE(follower.evaluations().empty());
    EXPECT_TRUE(follower.evaluations().back().evaluated.extra.contains("nearest_median"));
    process.signal(SIGTERM); // one signal: a clean stop
    EXPECT_EQ(process.wait(60s), 0) << process.err();
    EXPECT_EQ(stateOf(run), runs::RunState::Stopped);
    expectAllReadable(run);
}

TEST_F(RealRuns, TwoRanksTrainUnderOneSupervisor)
{
    const RunFolder run(m_folder / "ranks"), again(m_folder / "again");
    const std::vector<std::string> two{"--devices", "cpu:2", "--set", "training.steps=12", "--set", "samples.every=0"};
    const auto done = call(trainInto(run, two));
    ASSERT_EQ(done.status, 0) << done.err;
    const auto once = call(trainInto(again, {"--devices", "cpu:2", "--set", "training.steps=7", "--set", "samples.every=0"}));
    ASSERT_EQ(once.status, 0) << once.err;
    const auto longer = call(trainInto(again, two)); // a longer length may change
    ASSERT_EQ(longer.status, 0) << longer.err;
    EXPECT_EQ(shardsOf(run, 12), shardsOf(again, 12));
}

TEST_F(RealRuns, SampleEvaluateAndExportFromACheckpoint)
{
    const RunFolder run(m_folder / "run");
    ASSERT_EQ(call(trainInto(run, {"--set", "training.steps=8"})).status, 0);
    const auto out = m_folder / "images";
    const auto sampled = call({"sample", "--checkpoint", run.root().string(), "--num", "5", "--sampler", "ddim", "--steps", "3", "--out",
                               out.string(), "--npz", "--json"});
    ASSERT_EQ(sampled.status, 0) << sampled.err;
    for (const auto* name : {"00000.png", "00004.png", "samples.npz", "grid.png"})
        EXPECT_TRUE(fs::exists(out / name)) << name;
    const auto noisy = call({"sample", "--checkpoint", run.root().string(), "--num", "2", "--eta", "0.5", "--json"});
    ASSERT_EQ(noisy.status, 0) << noisy.err;
    EXPECT_EQ(noisy.json()["recipe"]["eta"], 0.5);
    EXPECT_EQ(noisy.json()["recipe"]["sampler"], "DDIM-3") << "as the settings of the run say";
    const auto evaluated = call({"evaluate", "--checkpoint", run.root().string(), "--num", "32", "--json"});
    ASSERT_EQ(evaluated.status, 0) << evaluated.err;
    EXPECT_GT(evaluated.json()["fd"].get<double>(), evaluated.json()["floor"].get<double>()) << evaluated.out;
    // Against images of one's own: the samples themselves are no distance away, and are copies of themselves.
    const auto own = call({"evaluate", "--checkpoint", run.root().string(), "--num", "5", "--sampler", "ddim", "--steps", "3", "--seed",
                           "0", "--reference", (out / "samples.npz").string(), "--json"});
    ASSERT_EQ(own.status, 0) << own.err;
    EXPECT_LT(own.json()["fd"].get<double>(), 1e-3) << own.out;
    EXPECT_EQ(own.json()["nearest"]["copied_share"], 1.0) << own.out;
    const auto named = [](const Json& recipe) { return recipe["name"].get<std::string>().ends_with("against samples.npz"); };
    EXPECT_TRUE(named(own.json()["recipe"])) << own.out;
    runs::RunFollower follower(run.root());
    follower.poll();
    ASSERT_EQ(follower.evaluations().size(), 2u);
    EXPECT_TRUE(named(follower.evaluations().back().evaluated.recipe));
    EXPECT_EQ(runs::summarize(run.root()).bestMetric, evaluated.json()["fd"].get<double>()); // of its own data alone
    const auto folder = call({"evaluate", "--images", out.string(), "--reference", (out / "samples.npz").string(), "--json"});
    ASSERT_EQ(folder.status, 0) << folder.err;
    EXPECT_EQ(folder.json()["images"], 5) << "the grid beside the images is none of them";
    EXPECT_LT(folder.json()["fd"].get<double>(), 1e-3) << folder.out;
    const auto file = m_folder / "weights.safetensors";
    const auto exported = call({"export", "--checkpoint", run.root().string(), "--weights", "raw", "--out", file.string(), "--json"});
    ASSERT_EQ(exported.status, 0) << exported.err;
    const auto reader = formats::SafetensorsReader::open(file);
    ASSERT_TRUE(reader);
    EXPECT_NE(reader->find("downsamples.level_0.0.conv1.weight"), nullptr);

    // The same weights as PyTorch files: our own, and one that the published code could have written.
    const auto torch = m_folder / "weights.torch", published = m_folder / "published.pt";
    ASSERT_EQ(
        call({"export", "--checkpoint", run.root().string(), "--weights", "raw", "--to", "pt", "--out", torch.string(), "--json"}).status,
        0);
    ASSERT_TRUE(formats::writeTorch(published, asPublished(*reader)));
    const auto draw = [&](const fs::path& from, const char* which) {
        const auto into = m_folder / ("drawn-" + from.filename().string() + which);
        const auto drawn = call({"sample", "--checkpoint", from.string(), "--weights", which, "--config", run.configFile().string(),
                                 "--num", "2", "--sampler", "ddim", "--steps", "2", "--out", into.string(), "--json"});
        EXPECT_EQ(drawn.status, 0) << drawn.err;
        return readFile(into / "00001.png").value();
    };
    const auto wanted = draw(file, "raw");
    EXPECT_EQ(draw(torch, "ema"), wanted); // it has only one kind of weights
    EXPECT_EQ(draw(published, "raw"), wanted);
    EXPECT_EQ(draw(published, "ema"), wanted);
    for (const auto& [path, group] : {std::pair(torch, ""), std::pair(published, "ema.shadow.")}) {
        const auto told = call({"inspect", path.string(), "--json"});
        ASSERT_EQ(told.status, 0) << told.err;
        EXPECT_EQ(told.json()["kind"], "pytorch");
        ASSERT_TRUE(told.json()["model"].is_object()) << told.json()["not_recognised"];
        EXPECT_EQ(told.json()["model"]["prefix"], group);
    }
    EXPECT_EQ(stateOf(run), runs::RunState::Finished); // as it was
}

TEST_F(RealRuns, DryRunBuildsAndTakesAStepButMakesNothing)
{
    const RunFolder run(m_folder / "dry");
    const auto done = call(trainInto(run, {"--dry-run", "--json"}));
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_FALSE(fs::exists(run.root()));
}

TEST_F(RealRuns, SurviveFiveKillsBitForBit)
{
    killAtRandomMoments(5, 3);
}

} // namespace espalier
