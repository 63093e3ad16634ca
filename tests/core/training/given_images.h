// SPDX-License-Identifier: Apache-2.0
#pragma once

// Classification steps on images and targets that golden files give.

#include "core/training/train_step.h"
#include "tests/core/tensors/tensor_support.h"

#include <cstdio>

namespace espalier::training {

/// Soft targets on images that the golden file names, in place of the trainer's.
class GivenImages final : public models::Objective {
public:
    models::LossTerms operator()(models::Model& model, const tensors::Batch&, const tensors::Path& path,
                                 const tensors::Draws& draws) override
    {
        const auto logits = model.forward({image, {}, {}}, path, draws);
        auto each = -(target * at::log_softmax(logits, -1)).sum(-1);
        return {each.mean(), each.detach()};
    }
    std::string name() const override { return "given"; }
    void save(Json&, tensors::TensorMap&) const override {}
    Result<Done> load(const Json&, const tensors::TensorMap&) override { return Done{}; }

    at::Tensor image, target;
};

/// "labels [3, 7, 7, 1], lam 0.7, smoothing 0.1, reversed partner"
struct Target {
    std::string prefix; // of inputs and parameters: "" or "held."
    std::vector<std::int64_t> labels;
    double lambda = 0.0, smoothing = 0.0;

    explicit Target(const std::string& text)
    {
        prefix = text.substr(0, text.find("input:"));
        const auto open = text.find("labels [") + 7, close = text.find(']', open);
        labels = Json::parse(text.substr(open, close - open + 1)).get<std::vector<std::int64_t>>();
        EXPECT_EQ(std::sscanf(text.c_str() + text.find("lam "), "lam %lf, smoothing %lf", &lambda, &smoothing), 2) << text;
    }
    at::Tensor rows(std::int64_t classes) const
    {
        const double off = smoothing / static_cast<double>(classes);
        const auto own = at::full({static_cast<std::int64_t>(labels.size()), classes}, off, at::kFloat)
                             .scatter(1, at::tensor(labels).unsqueeze(1), 1.0 - smoothing + off);
        return own * lambda + own.flip(0) * (1.0 - lambda);
    }
};

/// A qkv bias without the part of the keys, whose gradient is rounding noise.
inline at::Tensor compared(const std::string& name, const at::Tensor& value)
{
    if (!name.ends_with("qkv.bias"))
        return value;
    const auto third = value.size(0) / 3;
    return at::cat({value.narrow(0, 0, third), value.narrow(0, 2 * third, third)});
}

/// `slack`: what Adam makes of the rounding of gradients that are nearly zero, in single elements and so in their sum.
inline void expectThese(const at::Tensor& tensor, const Json& wanted, double rtol, const std::string& what, double slack = 0.0)
{
    const at::Tensor d = tensor.detach().contiguous().to(at::kDouble).flatten();
    ASSERT_EQ(tensor.sizes().vec(), wanted.at("shape").get<std::vector<std::int64_t>>()) << what;
    const auto near = [&](double got, double want, const char* which) {
        EXPECT_LE(std::abs(got - want), rtol * (0.01 + std::abs(want)) + slack)
            << what << " " << which << ": " << got << " against " << want;
    };
    near(d.sum().item<double>(), wanted.at("sum"), "sum");
    near(d.abs().sum().item<double>(), wanted.at("abs_sum"), "sum of absolutes");
    near(d.norm().item<double>(), wanted.at("l2"), "l2");
    for (std::size_t i = 0; i < wanted.at("first4").size(); ++i)
        near(d[static_cast<std::int64_t>(i)].item<double>(), wanted.at("first4")[i], "element");
}

} // namespace espalier::training
