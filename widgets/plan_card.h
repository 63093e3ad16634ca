// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/card.h"
#include "widgets/plan_summary.h"

#include <optional>

class QGridLayout;

namespace espalier::widgets {

/// What a configuration amounts to, line by line, kept up to date as it changes.
class PlanCard : public Card {
    Q_OBJECT
public:
    explicit PlanCard(QWidget* parent = nullptr);
    /// False when it is not valid: then there is no plan.
    bool setConfig(const Json& config);
    void setMachine(const MachineFacts& machine);
    /// What a run like this one reached; nothing: no such run is known.
    void setPace(const std::optional<Pace>& pace);

private:
    bool refresh();

    Json m_config = Json::object();
    MachineFacts m_machine;
    std::optional<Pace> m_pace;
    std::vector<PlanLine> m_shown;
    QGridLayout* m_lines;
};

} // namespace espalier::widgets
