// SPDX-License-Identifier: Apache-2.0
#include "core/data/dataset.h"

namespace espalier::data {

const char* nameOf(Split split)
{
    return split == Split::Train ? "train" : "test";
}

} // namespace espalier::data
