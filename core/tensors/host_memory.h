// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace espalier::tensors {

/// Lets this process keep memory that it frees instead of handing it back to the system: a training step asks for the same blocks
/// again and again, and fresh pages cost more than the arithmetic on them. Call it at the start of main.
void keepFreedMemory();

} // namespace espalier::tensors
