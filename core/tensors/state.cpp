// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::tensors {
namespace {

template <class T>
Result<Done> read(const Json& json, const char* key, T& into, const std::string& file)
{
    const auto found = json.find(key);
    if (found == json.end() || !found->is_number())
        return Error{
            ErrorCode::Format, fmt::format("{} says no number for counters.{}: it is damaged. Choose another checkpoint.", file, key), {}};
    into = found->get<T>();
    return Done{};
}

} // namespace

Json Counters::toJson() const
{
    return {{"step", step}, {"images", images}, {"epoch", epoch}, {"position", position}, {"bad_steps", badSteps}, {"flops", flops}};
}

Result<Counters> Counters::fromJson(const Json& json, const std::string& file)
{
    Counters c;
    for (const auto& [key, into] : std::initializer_list<std::pair<const char*, std::int64_t*>>{
             {"step", &c.step}, {"images", &c.images}, {"epoch", &c.epoch}, {"position", &c.position}, {"bad_steps", &c.badSteps}})
        if (const auto done = read(json, key, *into, file); !done)
            return done.error();
    if (const auto done = read(json, "flops", c.flops, file); !done)
        return done.error();
    return c;
}

std::string emaName(double decay)
{
    return fmt::format("ema:{}", decay);
}

at::Tensor twinOf(const at::Tensor& value)
{
    return at::empty_strided(value.sizes(), value.strides(), value.options().requires_grad(false)).zero_();
}

void assertPaired(const TrainState& state)
{
    const auto check = [](const Slot& slot, const at::Tensor& other, const char* what) {
        TORCH_CHECK(other.sizes() == slot.value.sizes() && other.strides() == slot.value.strides() &&
                        other.scalar_type() == slot.value.scalar_type() && other.device() == slot.value.device(),
                    "A bug: ", what, " of ", slot.name, " does not lie in memory as its value does; fused steps would mix elements up.");
    };
    for (const Slot& slot : state.slots) {
        TORCH_CHECK(slot.value.is_non_overlapping_and_dense(), "A bug: ", slot.name, " has holes in memory.");
        TORCH_CHECK(slot.ema.size() == state.emaDecays.size(), "A bug: ", slot.name, " has another number of averages than decays.");
        for (const at::Tensor& average : slot.ema)
            check(slot, average, "an average");
        if (slot.m.defined())
            check(slot, slot.m, "the first moment");
        if (slot.v.defined())
            check(slot, slot.v, "the second moment");
        if (slot.largest.defined())
            check(slot, slot.largest, "the largest second moment");
        if (slot.value.grad().defined())
            check(slot, slot.value.grad(), "the gradient");
    }
}

Result<Done> checkFits(const at::Tensor& to, const at::Tensor& from, const std::string& what, const std::string& file)
{
    return checkFits(to, from.sizes(), from.scalar_type(), what, file);
}

Result<Done> checkFits(const at::Tensor& to, at::IntArrayRef sizes, std::optional<at::ScalarType> type, const std::string& what,
                       const std::string& file)
{
    if (to.sizes() != sizes)
        return Error{ErrorCode::Format,
                     fmt::format("{} holds {} with shape {}, but {} is expected: it belongs to another model.", file, what, c10::str(sizes),
                                 c10::str(to.sizes())),
                     {}};
    if (to.scalar_type() != type)
        return Error{ErrorCode::Format,
                     fmt::format("{} holds {} as {}, but {} is expected.", file, what, type ? at::toString(*type) : "another type",
                                 at::toString(to.scalar_type())),
                     {}};
    return Done{};
}

Result<Done> copyInto(at::Tensor& to, const at::Tensor& from, const std::string& what, const std::string& file)
{
    if (auto fits = checkFits(to, from, what, file); !fits)
        return fits;
    const at::NoGradGuard guard;
    to.copy_(from);
    return Done{};
}

} // namespace espalier::tensors
