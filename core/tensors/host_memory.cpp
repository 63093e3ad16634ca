// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/host_memory.h"

#ifdef __GLIBC__
#include <climits>
#include <malloc.h>
#endif

namespace espalier::tensors {

void keepFreedMemory()
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 32 << 20); // the largest that glibc takes
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_TOP_PAD, 64 << 20);
#endif
}

} // namespace espalier::tensors
