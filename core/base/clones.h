// SPDX-License-Identifier: Apache-2.0
#pragma once

// ESPALIER_CLONES before a function compiles its body once for each instruction set; the right one is chosen when the program starts.
// For integers and for double arithmetic without fused multiply-add, where all clones agree bit for bit. What such a function calls
// has to be ESPALIER_INLINE, or it stays in the baseline's instructions. Sanitizers cannot follow the dispatch.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ESPALIER_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ESPALIER_CLONES
#endif

#define ESPALIER_INLINE __attribute__((always_inline)) inline
