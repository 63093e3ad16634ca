// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>

class QTextBrowser;

namespace espalier::widgets {

/// F1: what a page shows and how to use it, in a sheet beside the work.
class HelpSheet : public QDialog {
    Q_OBJECT
public:
    explicit HelpSheet(QWidget* parent = nullptr);
    /// `page` as in the tabs: "watch", "samples", "evaluation", "checkpoints", "configuration", "log", "library".
    void showPage(const QString& page);

private:
    QTextBrowser* m_text;
};

QString helpText(const QString& page); // Markdown

} // namespace espalier::widgets
