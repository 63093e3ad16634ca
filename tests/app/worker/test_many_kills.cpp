// SPDX-License-Identifier: Apache-2.0
#include "tests/app/worker/real_run.h"

namespace espalier {

class ManyKills : public RealRuns {};

TEST_F(ManyKills, SurviveThirtyBitForBit)
{
    killAtRandomMoments(30, 5);
}

} // namespace espalier
