// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/sample_dialog.h"

#include "widgets/setting_text.h"

namespace espalier::widgets {

SampleDialog::SampleDialog(const Json& config, std::int64_t step, QWidget* parent)
    : SettingsDialog(
          step >= 0 ? tr("Sample from step %1").arg(groupedText(step)) : tr("Sample now"),
          step >= 0 ? tr("Draws images with the weights of this checkpoint.")
                    : tr("Draws a grid at the next step; training goes on right after it, and its clock stands still meanwhile."),
          config,
          {"samples.count", "samples.weights", "samples.sampler.kind", "samples.sampler.steps", "samples.sampler.eta", "samples.seed"},
          tr("Sample"), parent),
      m_step(step)
{
    setObjectName(QStringLiteral("sampleDialog"));
    refresh();
}

bool SampleDialog::isRowShown(const std::string& path) const
{
    return text("samples.sampler.kind") == QLatin1String("ddim") || (path != "samples.sampler.steps" && path != "samples.sampler.eta");
}

QString SampleDialog::extraProblem() const
{
    const std::int64_t levels = integer("diffusion.timesteps");
    if (text("samples.sampler.kind") == QLatin1String("ddim") && levels > 0 && integer("samples.sampler.steps") > levels)
        return tr("samples.sampler.steps cannot exceed diffusion.timesteps, which is %1.").arg(groupedText(levels));
    return {};
}

SampleRequest SampleDialog::request() const
{
    return {m_step,
            integer("samples.count"),
            integer("samples.seed"),
            text("samples.weights"),
            {text("samples.sampler.kind"), integer("samples.sampler.steps"), number("samples.sampler.eta")}};
}

EvaluateDialog::EvaluateDialog(const Json& config, std::int64_t step, QWidget* parent)
    : SettingsDialog(
          step >= 0 ? tr("Evaluate step %1").arg(groupedText(step)) : tr("Evaluate now"),
          tr("Draws images and measures how far they are from real ones. Numbers compare only when their whole recipe is equal."), config,
          {"evaluation.metric", "evaluation.images", "evaluation.sampler.kind", "evaluation.sampler.steps", "evaluation.sampler.eta",
           "evaluation.seed"},
          tr("Evaluate"), parent),
      m_step(step)
{
    setObjectName(QStringLiteral("evaluateDialog"));
    refresh();
}

bool EvaluateDialog::isRowShown(const std::string& path) const
{
    return text("evaluation.sampler.kind") == QLatin1String("ddim") ||
           (path != "evaluation.sampler.steps" && path != "evaluation.sampler.eta");
}

QString EvaluateDialog::extraProblem() const
{
    if (text("evaluation.metric") == QLatin1String("fid"))
        return tr("FID needs the Inception network, which this version does not have yet. Choose fd.");
    const std::int64_t levels = integer("diffusion.timesteps");
    if (text("evaluation.sampler.kind") == QLatin1String("ddim") && levels > 0 && integer("evaluation.sampler.steps") > levels)
        return tr("evaluation.sampler.steps cannot exceed diffusion.timesteps, which is %1.").arg(groupedText(levels));
    return {};
}

EvaluateRequest EvaluateDialog::request() const
{
    return {m_step,
            text("evaluation.metric"),
            integer("evaluation.images"),
            integer("evaluation.seed"),
            {text("evaluation.sampler.kind"), integer("evaluation.sampler.steps"), number("evaluation.sampler.eta")}};
}

} // namespace espalier::widgets
