// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/requests.h"
#include "widgets/stage_words.h"

#include <QDialog>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;

namespace espalier::widgets {

/// "Export": which checkpoint, which weights, into which file.
class ExportDialog : public QDialog {
    Q_OBJECT

public:
    /// `steps` are the checkpoints there are, `step` the one chosen (-1: the newest), `decays` the averages the run keeps.
    /// `layouts`: what its model can be written for, as --to names it.
    ExportDialog(const QString& runName, const std::vector<std::int64_t>& steps, std::int64_t step, const std::vector<double>& decays,
                 const std::vector<std::string>& layouts, const QString& folder, QWidget* parent = nullptr);
    /// Of a run that grows: which stage (from 0) ended with which step. Such a checkpoint is the network as it was then.
    void setStageEnds(const std::map<std::int64_t, int>& ends, const StageNames& names = {});
    ExportRequest request() const;
    QString whyNot() const;

public Q_SLOTS:
    void accept() override;

private:
    void refresh();
    void choose();
    void addFormats(const std::vector<std::string>& layouts);
    bool isFolder() const;

    const QString m_runName, m_folder;
    bool m_typed = false;
    QComboBox* m_step = nullptr;
    QComboBox* m_weights = nullptr;
    QComboBox* m_format = nullptr;
    QLineEdit* m_file = nullptr;
    QLabel* m_why = nullptr;
    QPushButton* m_accept = nullptr;
};

} // namespace espalier::widgets
