// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/models/inception_blocks.h"
#include "core/tensors/state.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace espalier::models {

/// How images of any size become the 299x299 pixels that the network sees. Numbers made with one are not to be compared with the other's.
enum class InceptionResize {
    Tf1,       // TensorFlow 1 and ADM: position i looks at i * (width / 299), then (v - 128) / 128
    HalfPixel, // pytorch-fid: centres of pixels on centres, then 2 (v / 255) - 1
};
/// images: uint8 [n, h, w, 3] of the device that computes; gives float [n, 3, 299, 299], channels last.
at::Tensor inceptionInput(const at::Tensor& images, InceptionResize resize, at::ScalarType dtype = at::kFloat);

struct InceptionFeatures {
    at::Tensor pool;    // [n, 2048]: the mean over space before the classifier
    at::Tensor spatial; // [n, 2023]: the first 7 channels of Mixed_6d.branch1x1, as 17 x 17 x 7
};

/// The Inception-v3 of 2015 that FID and its relatives are defined on, in the layout of pytorch-fid: 94 convolutions with torchvision's
/// names. It differs from torchvision's network in its pools (see InceptionBlock) and has 1008 classes.
class Inception final : public torch::nn::Module {
public:
    static constexpr std::int64_t kPool = 2048, kSpatial = 2023, kClasses = 1008;

    explicit Inception(const Place& place);
    /// To be called once, when the weights are set.
    void fold();

    /// input: what inceptionInput() gives. Without `spatial` that part is left undefined.
    InceptionFeatures forward(const at::Tensor& input, bool spatial) const;
    /// What the Inception Score is made of: the classifier without its bias, [n, 1008].
    at::Tensor logitsWithoutBias(const at::Tensor& pool) const;

    at::Device device() const { return m_classifier->weight.device(); }
    /// For tests and probes: called with the name and the output of every layer, in the order in which they run.
    std::function<void(const std::string&, const at::Tensor&)> watch;

private:
    template <class Layer>
    void add(const std::string& name, std::shared_ptr<Layer> layer);
    struct Step {
        std::string name;
        std::function<at::Tensor(const at::Tensor&)> run;
    };
    std::vector<Step> m_steps;
    std::shared_ptr<InceptionBlock> m_spatialBlock;
    std::shared_ptr<Linear> m_classifier;
};

/// Sets the weights from a file's tensors and folds: every name has to be there, and none may be left over but the update counters that
/// some files carry (num_batches_tracked). The sentence names `file` and the first tensor that does not fit.
Result<Done> loadWeights(Inception& network, tensors::TensorMap weights, const std::string& file);

/// The network of a weights file, such as the published pt_inception-2015-12-05-6726825d or a safetensors file with the same names.
Result<std::shared_ptr<const Inception>> readInception(const std::filesystem::path& file, c10::Device device);

} // namespace espalier::models
