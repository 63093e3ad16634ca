// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/worker/job.h"

namespace espalier::worker {

/// What evaluate does with a classifier: {"data": folder of labelled images, "crop_ratio", "num", "weights", "out", "device"} -> top-1 and
/// top-5 accuracy, loss and the confusion matrix. Without "data" the test images that the network was trained beside.
Result<Json> classifyJob(const Json& request, const Checkpoint& checkpoint, JobContext& context);

} // namespace espalier::worker
