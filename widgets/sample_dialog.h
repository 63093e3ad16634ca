// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/requests.h"
#include "widgets/settings_dialog.h"

namespace espalier::widgets {

/// What a dialog that has images drawn asks about the sampler, as "samples.sampler" or "evaluation.sampler" describe it. Guidance and
/// class are asked only where the network knows classes.
class DrawingDialog : public SettingsDialog {
    Q_OBJECT

public:
    /// `group`: "samples" or "evaluation"; `paths`: the settings before those of the sampler.
    DrawingDialog(std::string group, const QString& title, const QString& note, const Json& config, std::vector<std::string> paths,
                  const QString& acceptLabel, QWidget* parent);

protected:
    bool isRowShown(const std::string& path) const override;
    QString extraProblem() const override;
    SamplerChoice sampler() const;

private:
    const std::string m_sampler; // "samples.sampler."
};

/// "Sample now", or "Sample from step N": how many, with which weights and sampler.
class SampleDialog : public DrawingDialog {
    Q_OBJECT

public:
    /// `config` is the run's; `step` the checkpoint's, or -1 for a live run as it is now.
    SampleDialog(const Json& config, std::int64_t step, QWidget* parent = nullptr);
    /// From the weights of a file, which is called `source`.
    SampleDialog(const Json& config, const QString& source, QWidget* parent = nullptr);
    SampleRequest request() const;

private:
    const std::int64_t m_step;
};

/// "Evaluate now": which distance, over how many images, drawn how.
class EvaluateDialog : public DrawingDialog {
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
