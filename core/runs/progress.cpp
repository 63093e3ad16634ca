// SPDX-License-Identifier: Apache-2.0
#include "core/runs/progress.h"

#include "core/base/json_value.h"

#include <algorithm>

namespace espalier::runs {

void Progress::measure(const std::optional<Started>& started, const Json& config, RunState state)
{
    const bool asWritten = valueOr<std::string>(config, "schedule", "kind", "") != "assembled";
    const auto limit = [&](double told, const char* key) {
        return told > 0 ? told : asWritten ? std::clamp(valueOr(config, "training", key, 0.0), 0.0, 1e15) : 0.0;
    };
    const auto said = started.value_or(Started{});
    ofSteps = static_cast<std::int64_t>(limit(static_cast<double>(said.ofSteps), "steps"));
    ofImages = limit(static_cast<double>(said.ofImages), "images");
    ofSeconds = limit(said.ofSeconds, "seconds");
    fraction = 0.0;
    if (ofSteps > 0)
        fraction = static_cast<double>(step) / static_cast<double>(ofSteps);
    if (ofImages > 0)
        fraction = std::max(fraction, images / ofImages);
    if (ofSeconds > 0)
        fraction = std::max(fraction, seconds / ofSeconds);
    fraction = state == RunState::Finished ? 1.0 : std::clamp(fraction, 0.0, 1.0);
}

} // namespace espalier::runs
