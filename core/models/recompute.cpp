// SPDX-License-Identifier: Apache-2.0
#include "core/models/recompute.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace espalier::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The arithmetic of the forward pass, for the backward pass, which runs outside of it. Copies of weights are not kept: those made
/// without a graph would be taken for the ones that need it.
class Arithmetic {
public:
    static Arithmetic now(at::DeviceType device)
    {
        return {device, at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)};
    }
    template <class F>
    auto within(const F& f) const
    {
        struct Restore {
            Arithmetic before;
            bool cached;
            ~Restore()
            {
                at::autocast::set_autocast_enabled(before.device, before.enabled);
                at::autocast::set_autocast_dtype(before.device, before.type);
                at::autocast::set_autocast_cache_enabled(cached);
            }
        } const restore{now(device), at::autocast::is_autocast_cache_enabled()};
        at::autocast::set_autocast_enabled(device, enabled);
        at::autocast::set_autocast_dtype(device, type);
        at::autocast::set_autocast_cache_enabled(false);
        return f();
    }

    at::DeviceType device;
    bool enabled;
    at::ScalarType type;
};

struct Block : torch::CustomClassHolder {
    Body body;
    std::size_t inputs = 0;
    std::vector<at::Tensor> parameters;
    Arithmetic arithmetic;
    Block(Body run, std::size_t count, std::vector<at::Tensor> used, Arithmetic as)
        : body(std::move(run)), inputs(count), parameters(std::move(used)), arithmetic(as)
    {
    }
};

struct Recomputed : torch::autograd::Function<Recomputed> {
    /// `all` are the inputs, then the parameters: autograd sees tensors only in a list or one by one.
    static at::Tensor forward(AutogradContext* context, at::TensorList all, const c10::intrusive_ptr<Block>& block)
    {
        const std::vector<at::Tensor> inputs(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(block->inputs));
        context->save_for_backward(inputs);
        context->saved_data["block"] = c10::IValue::make_capsule(block);
        const at::NoGradGuard noGrad;
        return block->arithmetic.within([&] { return block->body(inputs); });
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients)
    {
        const auto capsule = context->saved_data["block"].toCapsule();
        auto& block = static_cast<Block&>(*capsule);
        std::vector<at::Tensor> inputs, wanted;
        for (const auto& saved : context->get_saved_variables()) {
            inputs.push_back(saved.detach().requires_grad_(saved.requires_grad()));
            if (saved.requires_grad())
                wanted.push_back(inputs.back());
        }
        for (const auto& parameter : block.parameters)
            if (parameter.requires_grad())
                wanted.push_back(parameter);
        at::Tensor again;
        {
            const at::AutoGradMode grad(true);
            again = block.arithmetic.within([&] { return block.body(inputs); });
        }
        const auto found = torch::autograd::grad({again}, wanted, {gradients[0]}, std::nullopt, false, /*allow_unused=*/true);
        variable_list all;
        auto next = found.begin();
        for (const auto* tensors : {&inputs, &block.parameters})
            for (const auto& tensor : *tensors)
                all.push_back(tensor.requires_grad() ? *next++ : at::Tensor());
        all.emplace_back(); // of the block itself
        return all;
    }
};

} // namespace

at::Tensor recomputed(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& parameters, Body body)
{
    if (!at::GradMode::is_enabled())
        return body(inputs);
    auto all = inputs;
    all.insert(all.end(), parameters.begin(), parameters.end());
    return Recomputed::apply(at::TensorList(all), c10::make_intrusive<Block>(std::move(body), inputs.size(), parameters,
                                                                             Arithmetic::now(inputs.front().device().type())));
}

} // namespace espalier::models
