// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/card.h"

#include <vector>

class QLabel;
class QPushButton;
class QToolButton;

namespace espalier::widgets {

/// What went wrong, in one sentence, until somebody puts it away. The newest trouble shows; putting it away shows the one before.
/// It stands in the window's way of nothing: everything else goes on working.
class Notice : public TroubleCard {
    Q_OBJECT
public:
    struct Trouble {
        QString text;
        QString detail; // more words, shown when asked for
        QString log;    // a file that says more
    };
    explicit Notice(QWidget* parent = nullptr);
    void show(const Trouble& trouble);
    /// Put away one, as its button does.
    void dismiss();
    bool empty() const { return m_troubles.empty(); }
    QString text() const;

Q_SIGNALS:
    void logOpened(const QString& file);

private:
    void refresh();

    std::vector<Trouble> m_troubles; // the newest last
    QLabel* m_text;
    QLabel* m_detail;
    QLabel* m_more;
    QPushButton* m_details;
    QPushButton* m_log;
    QToolButton* m_close;
};

} // namespace espalier::widgets
