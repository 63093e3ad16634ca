// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/tensors/fingerprint.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace espalier::tensors {

using TensorMap = std::map<std::string, at::Tensor>;

/// One parameter and all that training keeps beside it. Value, averages and moments have equal sizes, strides and device: fused
/// kernels pair elements by their place in memory. What a stage does not train has undefined `m`, `v`, `step`.
struct Slot {
    std::string name;            // as published
    at::Tensor value;            // the tensor that the model owns
    std::vector<at::Tensor> ema; // one per decay of TrainState::emaDecays
    at::Tensor m, v;             // moments of the optimizer; undefined where it keeps none
    at::Tensor step;             // float []: optimizer steps that this parameter took, on its device
    at::Tensor largest{};        // largest second moments so far (AMSGrad); undefined elsewhere
};

/// Anything else that a training has to remember: an adaptive sampler, a loss scaler, the sums of the running report.
struct StatePart {
    virtual ~StatePart() = default;
    virtual std::string name() const = 0; // unique within a TrainState; part of the file format
    virtual void save(Json&, TensorMap&) const = 0;
    virtual Result<Done> load(const Json&, const TensorMap&) = 0; // copies into the tensors it already owns
};

/// Where a training stands. Nothing here depends on the clock.
struct Counters {
    std::int64_t step = 0;     // optimizer steps, skipped ones included
    std::int64_t images = 0;   // training images seen
    std::int64_t epoch = 0;    // passes over the data begun, counted from 0
    std::int64_t position = 0; // images of this epoch already seen: the next one is at this place of its order
    std::int64_t badSteps = 0; // steps skipped because loss or gradient was not finite
    double flops = 0;          // work of the network so far

    bool operator==(const Counters&) const = default;
    Json toJson() const;
    static Result<Counters> fromJson(const Json& json, const std::string& file);
};

/// The whole state of a training: what a checkpoint holds and what a resumed run goes on from.
struct TrainState {
    std::vector<Slot> slots;       // in the order in which the model registers its parameters
    std::vector<double> emaDecays; // of Slot::ema
    TensorMap buffers;             // device tensors of the trainer that are no parameter: update counters, the guard's flags
    std::vector<StatePart*> parts; // not owned
    Counters counters;
    Fingerprint madeOn;
};

/// The name of weights in files and flags: "raw", or "ema:0.9999".
std::string emaName(double decay);

/// A zero tensor that lies in memory as `value` does: for averages and moments.
at::Tensor twinOf(const at::Tensor& value);

/// Asserts what fused calls rely on: sizes, strides, dtype and device of everything in a slot equal its value's (gradients too).
void assertPaired(const TrainState& state);

/// Does `from` have the shape and dtype of `to`? The error names `what` and `file`.
Result<Done> checkFits(const at::Tensor& to, const at::Tensor& from, const std::string& what, const std::string& file);
Result<Done> checkFits(const at::Tensor& to, at::IntArrayRef sizes, std::optional<at::ScalarType> type, const std::string& what,
                       const std::string& file);
/// Copies `from` into the tensor `to` that somebody already owns, whatever the strides of `from`. The error names `what`.
Result<Done> copyInto(at::Tensor& to, const at::Tensor& from, const std::string& what, const std::string& file);

} // namespace espalier::tensors
