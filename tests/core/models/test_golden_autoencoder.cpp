// SPDX-License-Identifier: Apache-2.0
#include "core/models/autoencoder_blocks.h"
#include "core/models/autoencoder_kl.h"
#include "core/tensors/tensor_files.h"
#include "tests/core/data/scratch_folder.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::models {
namespace {

using namespace espalier::tests;

struct Number {
    const char* label;
    at::ScalarType type;
    double relative; // to the largest entry of a tensor
};
constexpr Number kNumbers[] = {{"float32", at::kFloat, 1e-5}, {"float64", at::kDouble, 1e-9}};

AutoencoderOptions optionsOf(const Json& model)
{
    AutoencoderOptions o;
    o.channels = model.at("channels").get<std::vector<std::int64_t>>();
    o.blocks = model.at("layers");
    o.groups = model.at("groups");
    return o;
}

std::shared_ptr<AutoencoderKL> filled(const Json& model, const Place& place)
{
    auto autoencoder = std::make_shared<AutoencoderKL>(optionsOf(model), place);
    fillParameters(*autoencoder);
    return autoencoder;
}

/// [sum, sum of absolutes, l2, first four]: as the file's tolerance says.
void expectBlock(const at::Tensor& tensor, const Json& wanted, double relative, const std::string& what)
{
    const at::Tensor d = tensor.detach().contiguous().to(at::kDouble).flatten();
    const auto w = wanted.get<std::vector<double>>();
    EXPECT_NEAR(d.sum().item<double>(), w[0], relative * w[1]) << what;
    EXPECT_NEAR(d.abs().sum().item<double>(), w[1], relative * w[1]) << what;
    EXPECT_NEAR(d.norm().item<double>(), w[2], relative * w[2]) << what;
    const double largest = d.abs().max().item<double>();
    for (std::size_t i = 3; i < w.size(); ++i)
        EXPECT_NEAR(d[static_cast<std::int64_t>(i) - 3].item<double>(), w[i], relative * largest) << what;
}

void expectTensor(const at::Tensor& got, const at::Tensor& wanted, double relative, const std::string& what)
{
    expectClose(got, wanted, relative * wanted.abs().max().item<double>(), 0, what);
}

struct Golden {
    Json document;
    tensors::TensorMap tensors;
    std::string tag;
    at::Tensor input(const std::string& name, const std::vector<std::int64_t>& shape) const
    {
        return inputTensor("input:" + tag + name, shape);
    }
};

Golden read(const std::filesystem::path& folder)
{
    Golden golden{readJson(folder / "vae.json"), readGoldenTensors(folder / "vae.safetensors"), ""};
    golden.tag = golden.document.at("case").at("tag").get<std::string>();
    return golden;
}

void checkForward(const Golden& golden, const std::string& name, const Number& number, bool channelsLast)
{
    SCOPED_TRACE(name + " " + number.label + (channelsLast ? ", channels last" : ""));
    const Json& c = golden.document.at("case");
    const auto autoencoder = filled(c.at("models").at(name), {at::kCPU, number.type, channelsLast});
    std::map<std::string, at::Tensor> outputs;
    autoencoder->watch = [&](const std::string& at, const at::Tensor& output) { outputs[at] = output; };
    const auto memory = channelsLast ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    const auto shape = c.at("image").at(name).get<std::vector<std::int64_t>>();
    const auto factor = autoencoder->options().factor();
    const auto posterior = autoencoder->encode(golden.input("image", shape).to(number.type).contiguous(memory));
    const auto latent = golden.input("latent", {shape[0], 4, shape[2] / factor, shape[3] / factor}).to(number.type);
    const auto decoded = autoencoder->decode(latent.contiguous(memory));
    const std::string suffix = number.type == at::kDouble ? ".f64" : "";
    expectTensor(posterior.mean, golden.tensors.at(name + ".mean" + suffix), number.relative, "mean");
    expectTensor(posterior.logVariance, golden.tensors.at(name + ".logvar" + suffix), number.relative, "logvar");
    expectTensor(decoded, golden.tensors.at(name + ".decoded" + suffix), number.relative, "decoded");
    for (const auto& [at, wanted] : golden.document.at("blocks").at(name).at(number.label).items())
        if (at != "encoder.attention") { // inside a block: checked as a layer of its own
            ASSERT_TRUE(outputs.contains(at)) << at;
            expectBlock(outputs[at], wanted, number.relative, at);
        }
}

TEST(GoldenAutoencoder, EncodesAndDecodesAsPublished)
{
    const auto folder = goldenFolder() / "vae";
    ESPALIER_NEED_GOLDEN(folder / "vae.json");
    const at::NoGradGuard guard;
    const auto golden = read(folder);
    for (const auto& [name, model] : golden.document.at("case").at("models").items()) {
        for (const auto& number : kNumbers)
            checkForward(golden, name, number, false);
        checkForward(golden, name, kNumbers[0], true);
    }
}

TEST(GoldenAutoencoder, AttentionIsThePublishedOne)
{
    const auto folder = goldenFolder() / "vae";
    ESPALIER_NEED_GOLDEN(folder / "vae.json");
    const at::NoGradGuard guard;
    const auto golden = read(folder);
    const auto autoencoder = filled(golden.document.at("case").at("models").at("two"), {});
    const auto channels = autoencoder->options().channels.back();
    AutoencoderAttention attention(channels, autoencoder->options().groups, {});
    for (auto& item : attention.named_parameters())
        item.value().copy_(autoencoder->named_parameters()["encoder.mid_block.attentions.0." + item.key()]);
    expectTensor(attention.forward(golden.input("attention", {2, channels, 3, 2})), golden.tensors.at("attention"), 1e-5, "attention");
}

TEST(GoldenAutoencoder, PosteriorIsThePublishedOne)
{
    const auto folder = goldenFolder() / "vae";
    ESPALIER_NEED_GOLDEN(folder / "vae.json");
    const auto golden = read(folder);
    const Json& c = golden.document.at("case");
    const auto shape = c.at("moments").get<std::vector<std::int64_t>>();
    for (const auto& number : kNumbers) {
        const auto posterior = Posterior::of(c.at("moment_scale").get<double>() * golden.input("moments", shape).to(number.type));
        const auto noise = golden.input("posterior_noise", posterior.mean.sizes().vec()).to(number.type);
        const Json& wanted = golden.document.at("posterior").at(number.label);
        for (const auto& [name, got] : {std::pair{"mean", posterior.mean},
                                        {"logvar", posterior.logVariance},
                                        {"std", posterior.deviation()},
                                        {"sample", posterior.sample(noise)},
                                        {"kl", posterior.divergence()}})
            expectClose(got.flatten(), at::tensor(wanted.at(name).get<std::vector<double>>(), at::kDouble), 0, number.relative, name);
    }
}

TEST(GoldenAutoencoder, LatentsOfTrainingAndSamplingAreThePublishedOnes)
{
    const auto folder = goldenFolder() / "vae";
    ESPALIER_NEED_GOLDEN(folder / "vae.json");
    const at::NoGradGuard guard;
    const auto golden = read(folder);
    const Json& c = golden.document.at("case").at("chain");
    for (const auto& number : kNumbers) {
        const auto autoencoder =
            filled(golden.document.at("case").at("models").at(c.at("vae").get<std::string>()), {at::kCPU, number.type});
        const double scale = autoencoder->options().scalingFactor;
        const auto posterior =
            autoencoder->encode(golden.input("chain_image", c.at("image").get<std::vector<std::int64_t>>()).to(number.type));
        const auto noise = golden.input("chain_posterior_noise", posterior.mean.sizes().vec()).to(number.type);
        const auto latent = posterior.sample(noise) * scale;
        const Json& wanted = golden.document.at("chain").at(number.label);
        expectBlock(latent, wanted.at("latent"), 10 * number.relative, "latent");
        expectBlock(autoencoder->decode(latent / scale), wanted.at("decoded"), 10 * number.relative, "decoded");
    }
}

TEST(GoldenAutoencoder, NamesOrderAndShapesAreThePublishedOnes)
{
    const auto folder = goldenFolder() / "vae";
    ESPALIER_NEED_GOLDEN(folder / "names.json");
    const Json document = readJson(folder / "names.json");
    const AutoencoderKL autoencoder(AutoencoderOptions{}, {});
    std::map<std::string, std::int64_t> parts;
    std::size_t row = 0;
    for (const auto& item : autoencoder.named_parameters()) {
        const Json& wanted = document.at("names").at(row++);
        ASSERT_EQ(item.key(), wanted.at(0).get<std::string>());
        EXPECT_EQ(item.value().sizes().vec(), wanted.at(1).get<std::vector<std::int64_t>>()) << item.key();
        parts[item.key().substr(0, item.key().find('.'))] += item.value().numel();
    }
    EXPECT_EQ(row, document.at("tensors").get<std::size_t>());
    EXPECT_TRUE(autoencoder.buffers().empty());
    for (const auto& [part, count] : document.at("parts").items())
        EXPECT_EQ(parts[part], count.get<std::int64_t>()) << part;
}

TEST(GoldenAutoencoder, OldAttentionNamesAreReadAsTheNewOnes)
{
    const auto folder = goldenFolder() / "vae";
    ESPALIER_NEED_GOLDEN(folder / "names.json");
    const Json renamed = readJson(folder / "names.json").at("attention_old_to_new");
    const Json small{{"channels", {8, 16}}, {"layers", 1}, {"groups", 4}};
    const auto there = filled(small, {});
    tensors::TensorMap old;
    for (const auto& item : there->named_parameters()) {
        auto name = item.key();
        for (const auto& [before, now] : renamed.items())
            if (now.get<std::string>() == name)
                name = before;
        old[name] = item.value();
    }
    ASSERT_FALSE(old.contains("decoder.mid_block.attentions.0.to_out.0.weight"));
    AutoencoderKL here(optionsOf(small), {});
    const ScratchFolder scratch;
    const auto readBack = [&] {
        EXPECT_TRUE(tensors::writeTensors(scratch.path() / "old.safetensors", {old.begin(), old.end()}));
        return tensors::readTensors(scratch.path() / "old.safetensors");
    };
    const auto loaded = loadWeights(here, *readBack(), "old.safetensors");
    ASSERT_TRUE(loaded) << loaded.error().message;
    for (const auto& item : there->named_parameters())
        EXPECT_TRUE(at::equal(item.value(), here.named_parameters()[item.key()])) << item.key();

    old["encoder.mid_block.attentions.0.to_q.weight"] = old.at("encoder.mid_block.attentions.0.query.weight");
    EXPECT_NE(readBack().error().message.find("under its old and its new name"), std::string::npos);
    old.erase("encoder.mid_block.attentions.0.to_q.weight");
    old.erase("quant_conv.bias");
    EXPECT_NE(loadWeights(here, *readBack(), "few.safetensors").error().message.find("quant_conv.bias"), std::string::npos);
}

} // namespace
} // namespace espalier::models
