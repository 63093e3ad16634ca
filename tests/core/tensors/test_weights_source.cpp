// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/weights_source.h"
#include "tests/core/tensors/tensor_support.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

namespace espalier::tensors {
namespace {

namespace fs = std::filesystem;

class WeightsSourceFiles : public testing::Test {
protected:
    void SetUp() override
    {
        m_root = fs::temp_directory_path() / ("espalier-weights-" + std::to_string(::getpid()));
        fs::remove_all(m_root);
        fs::create_directories(m_root);
    }
    void TearDown() override { fs::remove_all(m_root); }

    std::string write(const std::string& name, const NamedTensors& tensors)
    {
        const auto file = (m_root / name).string();
        EXPECT_TRUE(writeTensors(file, tensors));
        return file;
    }
    static WeightsSource open(const std::string& file)
    {
        auto source = WeightsSource::open(file, "ema");
        if (!source)
            throw std::runtime_error(source.error().message);
        return *std::move(source);
    }

    fs::path m_root;
};

at::Tensor numbers(at::IntArrayRef shape, at::ScalarType type = at::kFloat)
{
    return at::arange(c10::multiply_integers(shape), at::kFloat).view(shape).to(type);
}

} // namespace

TEST_F(WeightsSourceFiles, ReadsStraightIntoTensorsWhateverTheirPlacesAndTypes)
{
    NamedTensors in;
    for (int i = 0; i < 40; ++i) // more than there are threads
        in.emplace_back("module.w" + std::to_string(i), numbers({3, 4 + i}));
    in.emplace_back("module.conv", numbers({4, 3, 2, 2}));
    in.emplace_back("module.half", numbers({5}, at::kBFloat16));
    in.emplace_back("module.none", at::zeros({0, 3}));
    const auto source = open(write("w.safetensors", in));
    NamedTensors out;
    for (const auto& [name, tensor] : in)
        out.emplace_back(name.substr(7), at::full(tensor.sizes(), -1.0, at::kFloat));
    for (auto& [name, tensor] : out)
        if (name == "conv")
            tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
    out.back().second.set_requires_grad(true);
    const auto* memory = out[0].second.data_ptr();
    const auto done = source.readAll(out);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(out[0].second.data_ptr(), memory);
    for (std::size_t i = 0; i < in.size(); ++i)
        EXPECT_TRUE(at::equal(out[i].second.detach(), in[i].second.to(at::kFloat))) << in[i].first;
}

TEST_F(WeightsSourceFiles, NamesTheFirstThatDoesNotFitAndTouchesNothing)
{
    const auto file = write("w.safetensors", {{"a", numbers({2})}, {"b", numbers({3})}, {"c", numbers({2}, at::kLong)}});
    const auto source = open(file);
    const auto refused = [&](const NamedTensors& model, const std::string& why) {
        const auto done = source.readAll(model);
        ASSERT_FALSE(done) << why;
        EXPECT_EQ(done.error().message, file + " does not fit this model: " + why + ".");
        for (const auto& [name, tensor] : model)
            EXPECT_EQ(tensor.abs().sum().item<float>(), 0.0f) << name;
    };
    refused({{"a", at::zeros({2})}, {"d", at::zeros({3})}}, "it has no tensor d");
    refused({{"a", at::zeros({2})}, {"b", at::zeros({4})}}, "b has shape [3], but [4] is needed");
    refused({{"a", at::zeros({2})}, {"c", at::zeros({2})}}, "c holds I64, but floating-point numbers are needed");
    refused({{"a", at::zeros({2})}}, "the model has no parameter b");
}

TEST_F(WeightsSourceFiles, OfACheckpointAreVerifiedAndChosenByName)
{
    TrainState state;
    state.emaDecays = {0.9, 0.5};
    state.slots.push_back({"w", numbers({4}), {numbers({4}) + 1, numbers({4}) + 2}, {}, {}, {}, {}});
    state.counters.step = 3;
    const auto folder = m_root / "step-0000003";
    ASSERT_TRUE(writeCheckpoint(snapshot(state, Json::object(), Json::object()), folder));
    for (const auto& [which, first] : {std::pair{"raw", 0.0f}, {"ema", 1.0f}, {"ema:0.9", 1.0f}, {"ema:0.5", 2.0f}}) {
        const auto source = WeightsSource::open(folder, which);
        ASSERT_TRUE(source) << source.error().message;
        EXPECT_EQ(source->read(*source->find("w"))->data_ptr<float>()[0], first) << which;
        EXPECT_EQ(source->manifest()->counters.step, 3);
        EXPECT_EQ(source->sha256()->size(), 64u);
    }
    const auto missing = WeightsSource::open(folder, "ema:0.7");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("It has: raw, ema:0.9, ema:0.5"), std::string::npos) << missing.error().message;
    { // another byte in the data
        std::fstream file(folder / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(-1, std::ios::end);
        file.put('x');
    }
    const auto damaged = WeightsSource::open(folder, "raw");
    ASSERT_FALSE(damaged);
    EXPECT_NE(damaged.error().message.find("model.safetensors"), std::string::npos);
}

} // namespace espalier::tensors
