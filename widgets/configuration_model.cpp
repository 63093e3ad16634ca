// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/configuration_model.h"

#include "widgets/setting_text.h"

#include <QUndoCommand>

#include <algorithm>
#include <map>

namespace espalier::widgets {

Json completed(Json config)
{
    if (!config.is_object())
        config = Json::object();
    // A kind stands before the settings of its alternative in the catalogue, so one pass is enough.
    for (const config::Field& field : config::fields()) {
        const std::vector<PathStep> steps = pathSteps(field.path);
        const Json* at = &config;
        bool applies = true;
        for (const PathStep& step : steps) {
            const auto found = at->is_object() ? at->find(step.key) : at->end();
            if (!at->is_object() || found == at->end()) {
                at = nullptr;
                break;
            }
            at = &*found;
            if (!step.kind.empty() && (!at->is_object() || at->value("kind", Json()) != Json(step.kind))) {
                applies = false;
                break;
            }
        }
        if (applies && !at)
            setValueAt(config, field.path, field.def);
    }
    return config;
}

class ConfigurationModel::Edit : public QUndoCommand {
public:
    Edit(ConfigurationModel* model, State before, State after, const QString& what, std::string mergeKey)
        : QUndoCommand(what), m_model(model), m_before(std::move(before)), m_after(std::move(after)), m_mergeKey(std::move(mergeKey))
    {
    }
    int id() const override { return m_mergeKey.empty() ? -1 : 1; }
    bool mergeWith(const QUndoCommand* other) override
    {
        const auto* next = static_cast<const Edit*>(other);
        if (next->m_mergeKey != m_mergeKey)
            return false;
        m_after = next->m_after;
        return true;
    }
    void undo() override { m_model->become(m_before); }
    void redo() override { m_model->become(m_after); }

private:
    ConfigurationModel* m_model;
    State m_before, m_after;
    std::string m_mergeKey;
};

ConfigurationModel::ConfigurationModel(QObject* parent) : QObject(parent)
{
    m_undo.setUndoLimit(500);
    load(Json::object());
}

void ConfigurationModel::load(const Json& config, const QString& presetId)
{
    m_undo.clear();
    State state;
    state.config = state.given = completed(config);
    state.presetId = presetId;
    become(state);
}

void ConfigurationModel::applyPreset(const config::Preset& preset)
{
    State next;
    next.config = next.given = completed(preset.overlay);
    next.presetId = QString::fromStdString(preset.id);
    push(std::move(next), tr("Preset %1").arg(QString::fromStdString(preset.title)), {});
}

void ConfigurationModel::applyOverlay(const Json& overlay, const QString& title)
{
    State next;
    next.config = next.given = completed(overlay);
    push(std::move(next), title, {});
}

bool ConfigurationModel::isApplicable(const config::Field& field) const
{
    return value(field) != nullptr;
}

bool ConfigurationModel::isUsed(const config::Field& field) const
{
    return config::isUsed(plainPath(field.path), m_state.config);
}

const Json* ConfigurationModel::value(const config::Field& field) const
{
    return valueAt(m_state.config, field.path);
}

QString ConfigurationModel::text(const config::Field& field) const
{
    if (const auto typed = m_state.unread.find(plainPath(field.path)); typed != m_state.unread.end())
        return typed->second.text;
    const Json* now = value(field);
    return now ? valueText(*now) : QString();
}

ConfigurationModel::Origin ConfigurationModel::origin(const config::Field& field) const
{
    if (m_state.unread.count(plainPath(field.path)))
        return Origin::Changed;
    const Json* now = value(field);
    if (!now)
        return Origin::Default;
    const Json* given = valueAt(m_state.given, field.path);
    if (*now != (given ? *given : field.def))
        return Origin::Changed;
    return *now == field.def ? Origin::Default : Origin::Given;
}

void ConfigurationModel::setText(const config::Field& field, const QString& text)
{
    const std::string path = plainPath(field.path);
    State next = m_state;
    next.unread.erase(path);
    Json patch = Json::object();
    const auto done = config::applySetting(patch, path + "=" + typedText(text, field.def).toStdString());
    if (done)
        next.config = completed(config::merge(next.config, patch));
    else
        next.unread[path] = {text, done.error().message};
    if (next.config == m_state.config && next.unread == m_state.unread)
        return;
    push(std::move(next), tr("Change of %1").arg(settingTitle(path)), path + "#" + std::to_string(m_session));
}

void ConfigurationModel::endEdit()
{
    ++m_session;
}

void ConfigurationModel::revert(const config::Field& field)
{
    const Json* given = valueAt(m_state.given, field.path);
    State next = m_state;
    next.unread.erase(plainPath(field.path));
    Json patch = Json::object();
    setValueAt(patch, plainPath(field.path), given ? *given : field.def);
    next.config = completed(config::merge(next.config, patch));
    push(std::move(next), tr("Revert of %1").arg(settingTitle(field.path)), {});
}

void ConfigurationModel::setToDefault(const config::Field& field)
{
    State next = m_state;
    next.unread.erase(plainPath(field.path));
    Json patch = Json::object();
    setValueAt(patch, plainPath(field.path), field.def);
    next.config = completed(config::merge(next.config, patch));
    push(std::move(next), tr("Default of %1").arg(settingTitle(field.path)), {});
}

void ConfigurationModel::setValues(const Json& values, const QString& what)
{
    State next = m_state;
    for (const config::Field& field : config::fields())
        if (valueAt(values, plainPath(field.path)))
            next.unread.erase(plainPath(field.path));
    next.config = completed(config::merge(next.config, values));
    if (next.config == m_state.config && next.unread == m_state.unread)
        return;
    push(std::move(next), what, {});
}

QString ConfigurationModel::problem(const config::Field& field) const
{
    const std::string path = plainPath(field.path);
    for (const config::Problem& problem : m_problems)
        if (plainPath(problem.path) == path)
            return QString::fromStdString(problem.message);
    return {};
}

QStringList ConfigurationModel::commandLineArguments() const
{
    QStringList words;
    const bool known = !m_state.presetId.isEmpty() && config::findPreset(m_state.presetId.toStdString());
    if (known)
        words << QStringLiteral("--preset") << m_state.presetId;
    const Json base = completed(known ? config::findPreset(m_state.presetId.toStdString()).value().overlay : Json::object());
    for (const config::Field& field : config::fields()) {
        const Json* now = value(field);
        if (!now)
            continue;
        const Json* before = valueAt(base, field.path);
        if (*now != (before ? *before : field.def))
            words << QStringLiteral("--set") << QString::fromStdString(plainPath(field.path)) + '=' + assignmentText(*now);
    }
    return words;
}

void ConfigurationModel::push(State next, const QString& what, const std::string& mergeKey)
{
    m_undo.push(new Edit(this, m_state, std::move(next), what, mergeKey)); // push() calls redo()
}

void ConfigurationModel::become(const State& state)
{
    m_state = state;
    check();
    Q_EMIT changed();
}

void ConfigurationModel::check()
{
    m_problems.clear();
    for (const auto& [path, unread] : m_state.unread) {
        const config::Field* field = config::findField(path);
        if (field && isApplicable(*field)) // a setting of an alternative that is not chosen hurts nobody
            m_problems.push_back({path, unread.message});
    }
    for (config::Problem& problem : config::validate(m_state.config))
        if (!m_state.unread.count(plainPath(problem.path)))
            m_problems.push_back(std::move(problem));
    std::map<std::string, std::size_t> order;
    for (const config::Field& field : config::fields())
        order.emplace(plainPath(field.path), order.size());
    const auto place = [&](const config::Problem& problem) {
        const auto found = order.find(plainPath(problem.path));
        return found == order.end() ? order.size() : found->second;
    };
    std::stable_sort(m_problems.begin(), m_problems.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
}

} // namespace espalier::widgets
