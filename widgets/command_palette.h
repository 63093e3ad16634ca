// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>

#include <functional>
#include <vector>

class QLineEdit;
class QListWidget;

namespace espalier::widgets {

/// Ctrl+K: runs, settings, actions and pages by a few letters.
class CommandPalette : public QDialog {
    Q_OBJECT
public:
    struct Entry {
        QString title, kind, detail; // "Pause", "Action", "Ctrl+P"
        std::function<void()> run;
        bool enabled = true;
    };
    explicit CommandPalette(std::vector<Entry> entries, QWidget* parent);
    void setText(const QString& text);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    void refresh();
    void choose();

    std::vector<Entry> m_entries;
    std::vector<std::size_t> m_shown;
    QLineEdit* m_words;
    QListWidget* m_list;
};

/// How well letters fit a title: 0 is not at all; whole words and their beginnings beat scattered letters.
int fitness(const QString& title, const QString& typed);

} // namespace espalier::widgets
