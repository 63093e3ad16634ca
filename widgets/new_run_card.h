// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/card.h"

#include <QSet>
#include <QString>

class QLineEdit;

namespace espalier::widgets {

/// Name and folder of a run that does not exist yet, and the buttons that start it: at once, or when its devices are free.
class NewRunCard : public Card {
    Q_OBJECT
public:
    explicit NewRunCard(QWidget* parent = nullptr);

    /// Where new runs go when no folder is chosen.
    void setLibraryFolder(const QString& folder);
    const QString& libraryFolder() const { return m_library; }
    /// Names that a new run cannot have.
    void setTakenNames(const QSet<QString>& names);
    /// A new form: `typed` when a person gave the name, which then stays whatever preset is chosen.
    void begin(const QString& name, bool typed);
    /// A name that the form proposes; ignored once a person has typed one.
    void propose(const QString& name);
    bool nameIsTyped() const { return m_typed; }
    QString name() const;
    /// Empty: in the library.
    QString folder() const;
    /// What is wrong with name or folder, or "".
    QString whyNot() const;
    /// Why the run cannot be started, or "": shown beside the buttons.
    void setWhyNotStart(const QString& why);

Q_SIGNALS:
    void startRequested(bool queued);
    void changed();

private:
    void chooseFolder();

    QString m_library;
    QSet<QString> m_taken;
    bool m_typed = false;
    QLineEdit* m_name;
    QLineEdit* m_folder;
    QPushButton* m_start;
    QPushButton* m_queue;
    QLabel* m_why;
};

} // namespace espalier::widgets
