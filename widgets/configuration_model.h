// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/config/config.h"
#include "core/config/presets.h"

#include <QObject>
#include <QString>
#include <QStringList>
#include <QUndoStack>

#include <map>
#include <string>
#include <vector>

namespace espalier::widgets {

/// What the form edits: a whole configuration as JSON, what was typed and not understood, and the way back.
/// Knows no widgets; all checks and sentences are those of core/config.
class ConfigurationModel : public QObject {
    Q_OBJECT

public:
    /// Where the value of a setting comes from.
    enum class Origin {
        Default, // nobody said anything
        Given,   // by the preset, the imported file or the run it was copied from
        Changed, // in the form
    };

    explicit ConfigurationModel(QObject* parent = nullptr);

    /// The whole configuration; settings whose text was not understood keep their last good value.
    const Json& config() const { return m_state.config; }
    /// What the values were before anybody edited: defaults and what the preset says.
    const Json& given() const { return m_state.given; }
    QString presetId() const { return m_state.presetId; }

    /// Starts anew from a whole or partial configuration; nothing can be undone beyond it. False keeps what was there.
    void load(const Json& config, const QString& presetId = {});
    /// Starts from a preset or an imported overlay; can be undone.
    void applyPreset(const config::Preset& preset);
    void applyOverlay(const Json& overlay, const QString& title);

    bool isApplicable(const config::Field& field) const;
    /// Whether the chosen model has a use for it.
    bool isUsed(const config::Field& field) const;
    /// The value, or nullptr when its alternative is not chosen.
    const Json* value(const config::Field& field) const;
    /// What the editor shows: the text as typed when it was not understood, else the value.
    QString text(const config::Field& field) const;
    Origin origin(const config::Field& field) const;
    /// Takes what was typed; a wrong text becomes a problem of its field. Edits of one field in a row undo as one until endEdit().
    void setText(const config::Field& field, const QString& text);
    void endEdit();
    /// Back to the given value.
    void revert(const config::Field& field);
    void setToDefault(const config::Field& field);
    /// Several settings at once, which can be undone at once: an object like the configuration.
    void setValues(const Json& values, const QString& what);

    /// Everything wrong now, in the order of the form.
    const std::vector<config::Problem>& problems() const { return m_problems; }
    /// The first problem of a field, or "".
    QString problem(const config::Field& field) const;

    /// "--preset demo --set training.steps=80 …", one word an entry.
    QStringList commandLineArguments() const;

    QUndoStack* undoStack() { return &m_undo; }

Q_SIGNALS:
    void changed();

private:
    struct Unread {
        QString text;
        std::string message;
        bool operator==(const Unread&) const = default;
    };
    struct State {
        Json config, given;
        std::map<std::string, Unread> unread; // by plain path
        QString presetId;
    };
    class Edit;

    void push(State next, const QString& what, const std::string& mergeKey);
    void become(const State& state);
    void check();

    State m_state;
    std::vector<config::Problem> m_problems;
    QUndoStack m_undo;
    int m_session = 0;
};

/// A whole configuration from a partial one: every setting that applies and is missing gets its default.
Json completed(Json config);

} // namespace espalier::widgets
