// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace espalier::evaluation {

/// Where each of the chunks ends that a score is the mean of. ADM: `size` images each in the order of the file, the last may be shorter.
std::vector<std::int64_t> chunksOf(std::int64_t count, std::int64_t size = 5000);
/// StyleGAN, torch-fidelity: `splits` chunks of equal size; no more than there are images.
std::vector<std::int64_t> equalChunks(std::int64_t count, std::int64_t splits = 10);

struct InceptionScore {
    double mean = 0.0;
    double deviation = 0.0; // over the chunks
};

/// exp(mean KL(p(y|x) || p(y))) of each chunk (Salimans et al. 2016). logits: [n, classes], without the classifier's bias where published
/// numbers are compared with. In float64, and finite where probabilities vanish.
InceptionScore inceptionScore(const at::Tensor& logits, const std::vector<std::int64_t>& chunkEnds);

} // namespace espalier::evaluation
