// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/requests.h"
#include "widgets/settings_dialog.h"

namespace espalier::widgets {

/// "Sample now", or "Sample from step N": how many, with which weights and sampler.
class SampleDialog : public SettingsDialog {
    Q_OBJECT

public:
    /// `config` is the run's; `step` the checkpoint's, or -1 for a live run as it is now.
    SampleDialog(const Json& config, std::int64_t step, QWidget* parent = nullptr);
    SampleRequest request() const;

protected:
    bool isRowShown(const std::string& path) const override;
    QString extraProblem() const override;

private:
    const std::int64_t m_step;
};

/// "Evaluate now": which distance, over how many images, drawn how.
class EvaluateDialog : public SettingsDialog {
    Q_OBJECT

public:
    EvaluateDialog(const Json& config, std::int64_t step, QWidget* parent = nullptr);
    EvaluateRequest request() const;

protected:
    bool isRowShown(const std::string& path) const override;
    QString extraProblem() const override;

private:
    const std::int64_t m_step;
};

} // namespace espalier::widgets
