// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/sample_dialog.h"

#include "core/config/respacing.h"

#include "widgets/run_values.h"
#include "widgets/setting_text.h"

namespace espalier::widgets {

namespace {

/// The settings of a sampler, behind `group`, "samples" or "evaluation".
std::vector<std::string> withSampler(std::vector<std::string> paths, const std::string& group)
{
    for (const char* key : {"kind", "steps", "eta", "timestep_respacing", "clip_denoised", "guidance", "guidance_channels", "label"})
        paths.push_back(group + ".sampler." + key);
    paths.push_back(group + ".seed");
    return paths;
}

} // namespace

DrawingDialog::DrawingDialog(std::string group, const QString& title, const QString& note, const Json& config,
                             std::vector<std::string> paths, const QString& acceptLabel, QWidget* parent)
    : SettingsDialog(title, note, config, withSampler(std::move(paths), group), acceptLabel, parent), m_sampler(group + ".sampler.")
{
}

bool DrawingDialog::isRowShown(const std::string& path) const
{
    const bool draws = text("model.kind") != QLatin1String("vit");
    if (!path.starts_with(m_sampler))
        return draws || !path.ends_with(".seed");
    if (!draws)
        return false;
    const auto key = path.substr(m_sampler.size());
    const bool ddim = text((m_sampler + "kind").c_str()) == QLatin1String("ddim");
    if (key == "steps")
        return ddim && text((m_sampler + "timestep_respacing").c_str()).isEmpty();
    if (key == "eta")
        return ddim;
    return key == "kind" || key == "timestep_respacing" || key == "clip_denoised" || integer("model.num_classes") > 0;
}

QString DrawingDialog::extraProblem() const
{
    const std::int64_t levels = integer("diffusion.timesteps");
    const QString group = QString::fromStdString(m_sampler);
    if (const auto respacing = text((m_sampler + "timestep_respacing").c_str()).toStdString(); !respacing.empty()) {
        const auto kept = config::respacedLevels(respacing, levels);
        return kept ? QString() : tr("%1timestep_respacing %2.").arg(group, QString::fromStdString(kept.error().message));
    }
    if (text((m_sampler + "kind").c_str()) == QLatin1String("ddim") && levels > 0 && integer((m_sampler + "steps").c_str()) > levels)
        return tr("%1steps cannot exceed diffusion.timesteps, which is %2.").arg(group, groupedText(levels));
    return {};
}

SamplerChoice DrawingDialog::sampler() const
{
    const auto path = [&](const char* key) { return m_sampler + key; };
    return {text(path("kind").c_str()),
            integer(path("steps").c_str()),
            number(path("eta").c_str()),
            text(path("timestep_respacing").c_str()),
            isOn(path("clip_denoised").c_str()),
            number(path("guidance").c_str()),
            text(path("guidance_channels").c_str()),
            integer(path("label").c_str())};
}

SampleDialog::SampleDialog(const Json& config, std::int64_t step, QWidget* parent)
    : DrawingDialog("samples", step >= 0 ? tr("Sample from step %1").arg(groupedText(step)) : tr("Sample now"),
                    step >= 0 ? tr("Draws images with the weights of this checkpoint.")
                              : tr("Draws a grid at the next step; training goes on right after it, and its clock stands still meanwhile."),
                    config, {"samples.count", "samples.weights"}, tr("Sample"), parent),
      m_step(step)
{
    setObjectName(QStringLiteral("sampleDialog"));
    refresh();
}

SampleDialog::SampleDialog(const Json& config, const QString& source, QWidget* parent)
    : DrawingDialog("samples", tr("Sample from %1").arg(source), tr("Draws images with the weights of this file."), config,
                    {"samples.count", "samples.weights"}, tr("Sample"), parent),
      m_step(-1)
{
    setObjectName(QStringLiteral("sampleDialog"));
    refresh();
}

SampleRequest SampleDialog::request() const
{
    return {m_step, integer("samples.count"), integer("samples.seed"), text("samples.weights"), sampler()};
}

EvaluateDialog::EvaluateDialog(const Json& config, std::int64_t step, QWidget* parent)
    : DrawingDialog(
          "evaluation", step >= 0 ? tr("Evaluate step %1").arg(groupedText(step)) : tr("Evaluate now"),
          drawsImages(config)
              ? tr("Draws images and measures how far they are from real ones. Numbers compare only when their whole recipe is equal.")
              : tr("Shows test images to the network and counts the right answers."),
          config, {"evaluation.metric", "evaluation.features", "evaluation.images"}, tr("Evaluate"), parent),
      m_step(step)
{
    setObjectName(QStringLiteral("evaluateDialog"));
    refresh();
}

bool EvaluateDialog::isRowShown(const std::string& path) const
{
    return path == "evaluation.features" ? text("evaluation.metric") == QLatin1String("fid") : DrawingDialog::isRowShown(path);
}

QString EvaluateDialog::extraProblem() const
{
    if (text("evaluation.metric") == QLatin1String("fid") && text("evaluation.features").isEmpty())
        return tr("evaluation.features must name the weights file of the Inception network; fd needs none.");
    return DrawingDialog::extraProblem();
}

EvaluateRequest EvaluateDialog::request() const
{
    return {m_step,   text("evaluation.metric"), text("evaluation.features"), integer("evaluation.images"), integer("evaluation.seed"),
            sampler()};
}

} // namespace espalier::widgets
