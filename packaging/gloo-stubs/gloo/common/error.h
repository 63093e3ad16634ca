// SPDX-License-Identifier: Apache-2.0
#pragma once

// Intentionally without declarations; see gloo/algorithm.h beside.
