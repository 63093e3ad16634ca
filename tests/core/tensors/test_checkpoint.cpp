// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/checkpoint.h"
#include "tests/core/tensors/tensor_support.h"

#include <fstream>
#include <unistd.h>

namespace espalier::tensors {
namespace {

using namespace espalier::tests;

class Folder {
public:
    Folder() : path(std::filesystem::temp_directory_path() / ("espalier-checkpoint-" + std::to_string(::getpid())))
    {
        std::filesystem::remove_all(path);
        std::filesystem::create_directories(path);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    const std::filesystem::path path;
};

struct Sums : StatePart {
    double total = 0;
    at::Tensor losses = at::zeros({3});
    std::string name() const override { return "report"; }
    void save(Json& json, TensorMap& tensors) const override
    {
        json["total"] = total;
        tensors["losses"] = losses;
    }
    Result<Done> load(const Json& json, const TensorMap& tensors) override
    {
        total = json.at("total");
        return copyInto(losses, tensors.at("losses"), "losses", "report");
    }
};

/// A state with a channels-last weight, a bias, two averages, moments, a buffer and a part; `offset` makes another one of the same kind.
struct Fixture {
    Sums sums;
    TrainState state;

    explicit Fixture(double offset, bool channelsLast = true)
    {
        const auto format = channelsLast ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
        const auto slot = [&](const std::string& name, at::Tensor value) {
            Slot s{name, value + offset, {}, twinOf(value).add_(1 + offset), twinOf(value).add_(2 + offset), at::full({}, 3 + offset)};
            s.ema = {twinOf(value).add_(4 + offset), twinOf(value).add_(5 + offset)};
            state.slots.push_back(std::move(s));
        };
        slot("conv.weight", at::arange(2 * 3 * 3 * 3).to(at::kFloat).view({2, 3, 3, 3}).contiguous(format));
        slot("conv.bias", at::arange(2).to(at::kFloat));
        state.emaDecays = {0.9999, 0.5};
        state.buffers["guard.bad_steps"] = at::full({}, static_cast<std::int64_t>(offset), at::kLong);
        sums.total = offset;
        sums.losses.fill_(offset);
        state.parts = {&sums};
        state.counters = {100, 800, 1, 300, 2, 1e12 + offset};
        state.madeOn = Fingerprint::here(at::kCPU, 1, channelsLast ? "channels_last" : "contiguous");
    }
};

void expectSame(const Fixture& a, const Fixture& b)
{
    for (std::size_t i = 0; i < a.state.slots.size(); ++i) {
        const Slot &x = a.state.slots[i], &y = b.state.slots[i];
        EXPECT_TRUE(at::equal(x.value, y.value));
        EXPECT_TRUE(at::equal(x.m, y.m) && at::equal(x.v, y.v) && at::equal(x.step, y.step));
        EXPECT_TRUE(at::equal(x.ema[0], y.ema[0]) && at::equal(x.ema[1], y.ema[1]));
    }
    EXPECT_TRUE(at::equal(a.state.buffers.at("guard.bad_steps"), b.state.buffers.at("guard.bad_steps")));
    EXPECT_EQ(a.sums.total, b.sums.total);
    EXPECT_TRUE(at::equal(a.sums.losses, b.sums.losses));
    EXPECT_EQ(a.state.counters, b.state.counters);
}

Result<Done> write(const Fixture& f, const std::filesystem::path& folder, double seconds = 1.0)
{
    return writeCheckpoint(snapshot(f.state, {{"run", "r"}}, {{"seconds", seconds}}), folder);
}

TEST(Checkpoint, LoadingCopiesIntoTheTensorsThatTrainingOwns)
{
    const Folder folder;
    const Fixture saved(1);
    ASSERT_TRUE(write(saved, folder.path / "step-0000100"));
    for (const bool channelsLast : {true, false}) {
        Fixture other(7, channelsLast);
        const void* address = other.state.slots[0].value.const_data_ptr();
        const auto strides = other.state.slots[0].value.strides().vec();
        const auto manifest = loadCheckpoint(folder.path / "step-0000100", other.state);
        ASSERT_TRUE(manifest) << manifest.error().message;
        expectSame(saved, other);
        assertPaired(other.state);
        EXPECT_EQ(other.state.slots[0].value.const_data_ptr(), address);
        EXPECT_EQ(other.state.slots[0].value.strides().vec(), strides);
        EXPECT_EQ(manifest->about.at("run"), "r");
        EXPECT_EQ(manifest->madeOn.difference(other.state.madeOn).empty(), channelsLast);
    }
}

TEST(Checkpoint, SnapshotIsNotTouchedByLaterSteps)
{
    const Folder folder;
    Fixture training(1);
    const Snapshot taken = snapshot(training.state, {}, {});
    training.state.slots[0].value.zero_();
    training.state.slots[0].ema[0].zero_();
    training.sums.losses.zero_();
    ASSERT_TRUE(writeCheckpoint(taken, folder.path / "c"));
    Fixture read(9);
    ASSERT_TRUE(loadCheckpoint(folder.path / "c", read.state));
    expectSame(Fixture(1), read);
}

TEST(Checkpoint, EqualTrainingGivesEqualShardsWhateverTheClockAndTheStrides)
{
    const Folder folder;
    ASSERT_TRUE(write(Fixture(1), folder.path / "a", 5.0));
    ASSERT_TRUE(write(Fixture(1, false), folder.path / "b", 6.0));
    const auto a = readManifest(folder.path / "a"), b = readManifest(folder.path / "b");
    ASSERT_TRUE(a && b);
    ASSERT_EQ(a->files.size(), 5u); // model, two averages, optimizer, state
    for (std::size_t i = 0; i < a->files.size(); ++i)
        EXPECT_EQ(a->files[i].sha256, b->files[i].sha256) << a->files[i].name;
}

TEST(Checkpoint, TakesThePlaceOfAnOlderOneAndLeavesNothingElse)
{
    const Folder folder;
    ASSERT_TRUE(write(Fixture(1), folder.path / "c"));
    std::filesystem::create_directories(folder.path / ".c.part"); // of a run that was killed
    std::ofstream(folder.path / ".c.part" / "junk") << "junk";
    ASSERT_TRUE(write(Fixture(2), folder.path / "c"));
    Fixture read(9);
    ASSERT_TRUE(loadCheckpoint(folder.path / "c", read.state));
    expectSame(Fixture(2), read);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path), {}), 1);
}

TEST(Checkpoint, DamageIsNamedAndChangesNothing)
{
    const Folder folder;
    const auto path = folder.path / "c";
    const auto expectRefused = [&](const std::string& part) {
        Fixture read(9);
        const auto loaded = loadCheckpoint(path, read.state);
        ASSERT_FALSE(loaded);
        EXPECT_NE(loaded.error().message.find(part), std::string::npos) << loaded.error().message;
        expectSame(Fixture(9), read);
        EXPECT_FALSE(verifyCheckpoint(path));
    };
    const auto fresh = [&] {
        std::filesystem::remove_all(path);
        EXPECT_TRUE(write(Fixture(1), path));
    };
    expectRefused("no finished checkpoint");
    fresh();
    std::filesystem::resize_file(path / "optimizer.safetensors", 100);
    expectRefused("optimizer.safetensors has 100 bytes");
    fresh();
    {
        std::fstream file(path / "ema-0.5.safetensors", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(-1, std::ios::end);
        file.put('\x77');
    }
    expectRefused("ema-0.5.safetensors has other content");
    fresh();
    std::filesystem::remove(path / "model.safetensors");
    expectRefused("model.safetensors is missing");
    fresh();
    std::filesystem::remove(path / "manifest.json");
    expectRefused("no finished checkpoint");
    for (const char* text : {"", "[", "[]", "{}", R"({"schema": 1})", R"({"schema": "1"})", R"({"schema": 2})",
                             R"({"schema": 1, "counters": {}, "made_on": {}, "weights": {}, "parts": {}})"}) {
        fresh();
        std::ofstream(path / "manifest.json") << text;
        expectRefused("manifest.json");
    }
    fresh();
    auto manifest = readJson(path / "manifest.json");
    manifest["files"][0]["name"] = "../c/model.safetensors";
    std::ofstream(path / "manifest.json") << manifest.dump();
    expectRefused("manifest.json");
}

TEST(Checkpoint, OfAnotherModelIsRefusedByTheNameOfTheTensor)
{
    const Folder folder;
    Fixture saved(1);
    ASSERT_TRUE(write(saved, folder.path / "c"));
    const auto expectRefused = [&](Fixture& fixture, const std::string& part) {
        const auto loaded = loadCheckpoint(folder.path / "c", fixture.state);
        ASSERT_FALSE(loaded);
        EXPECT_NE(loaded.error().message.find(part), std::string::npos) << loaded.error().message;
    };
    Fixture shape(9), name(9), fewer(9), decays(9), type(9);
    shape.state.slots[1].v = at::zeros({3});
    expectRefused(shape, "v.conv.bias with shape [2], but [3]");
    name.state.slots[1].name = "fc.bias";
    expectRefused(name, "no tensor fc.bias");
    fewer.state.slots.pop_back();
    expectRefused(fewer, "conv.bias that this run has no use for");
    decays.state.emaDecays = {0.9999, 0.6};
    expectRefused(decays, "training.ema.decays [0.9999,0.5]");
    type.state.slots[1].value = at::zeros({2}, at::kDouble);
    expectRefused(type, "conv.bias as Float, but Double");
}

TEST(Checkpoint, WeightsAloneAreReadByNameOfTheirAverage)
{
    const Folder folder;
    const Fixture saved(1);
    ASSERT_TRUE(write(saved, folder.path / "c"));
    const auto check = [&](const std::string& which, const at::Tensor& wanted) {
        const auto weights = readWeights(folder.path / "c", which);
        ASSERT_TRUE(weights) << weights.error().message;
        EXPECT_TRUE(at::equal(weights->at("conv.weight"), wanted)) << which;
    };
    check("raw", saved.state.slots[0].value);
    check("ema", saved.state.slots[0].ema[0]);
    check("ema:0.5", saved.state.slots[0].ema[1]);
    const auto missing = readWeights(folder.path / "c", "ema:0.7");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::Usage);
    EXPECT_NE(missing.error().message.find("raw, ema:0.9999, ema:0.5"), std::string::npos) << missing.error().message;
    const auto lone = readWeights(folder.path / "c" / "model.safetensors", "raw");
    ASSERT_TRUE(lone);
    EXPECT_EQ(lone->size(), 2u);
}

TEST(Checkpoint, WeightsOfOthersFitOrSayWhichTensorDoesNot)
{
    const at::Tensor weight = at::zeros({2, 2}), bias = at::zeros({2});
    const NamedTensors parameters{{"fc.weight", weight}, {"fc.bias", bias}};
    TensorMap given{{"module.fc.weight", at::ones({2, 2}, at::kBFloat16)}, {"module.fc.bias", at::ones({2})}};
    ASSERT_TRUE(copyWeights(given, parameters, "their.safetensors"));
    EXPECT_EQ(weight.sum().item<float>(), 4);
    const auto refusal = [&](const TensorMap& weights) {
        const auto done = copyWeights(weights, parameters, "their.safetensors");
        return done ? "" : done.error().message;
    };
    EXPECT_EQ(refusal({{"fc.weight", at::ones({2, 2})}}), "their.safetensors does not fit this model: it has no tensor fc.bias.");
    EXPECT_EQ(refusal({{"fc.weight", at::ones({2, 3})}, {"fc.bias", at::ones({2})}}),
              "their.safetensors does not fit this model: fc.weight has shape [2, 3], but [2, 2] is needed.");
    EXPECT_EQ(refusal({{"fc.weight", at::ones({2, 2})}, {"fc.bias", at::ones({2})}, {"x", at::ones({1})}}),
              "their.safetensors does not fit this model: the model has no parameter x.");
    EXPECT_NE(refusal({{"fc.weight", at::ones({2, 2}, at::kLong)}, {"fc.bias", at::ones({2})}}), "");
}

TEST(TrainState, RefusesTensorsThatLieInMemoryInAnotherWay)
{
    Fixture f(1);
    assertPaired(f.state);
    f.state.slots[0].m = f.state.slots[0].m.contiguous();
    EXPECT_THROW(assertPaired(f.state), c10::Error);
}

TEST(Fingerprint, SaysTheFirstDifference)
{
    const Fingerprint here = Fingerprint::here(at::kCPU, 2, "channels_last");
    EXPECT_EQ(here.difference(here), "");
    EXPECT_FALSE(here.instructionSet.empty() || here.libtorch.empty() || here.build.empty());
    const auto again = Fingerprint::fromJson(here.toJson(), "manifest.json");
    ASSERT_TRUE(again);
    EXPECT_EQ(here.difference(*again), "");
    Fingerprint then = here;
    then.threads = here.threads + 1;
    then.build = "other";
    EXPECT_EQ(then.difference(here), "threads (" + std::to_string(here.threads + 1) + " then, " + std::to_string(here.threads) + " now)");
}

} // namespace
} // namespace espalier::tensors
