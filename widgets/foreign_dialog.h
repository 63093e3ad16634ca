// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/json.h"

#include <QDialog>

class QLabel;
class QLineEdit;
class QPushButton;
class QVBoxLayout;

namespace espalier::widgets {

/// A checkpoint of somebody else: what it is, and what can be done with it. `said` is what `espalier-cli inspect --json` says of it.
class ForeignDialog : public QDialog {
    Q_OBJECT

public:
    ForeignDialog(const QString& path, const Json& said, const QString& imagesFolder, QWidget* parent = nullptr);

    const QString& path() const { return m_path; }
    /// Settings to draw with; null while nobody says them.
    const Json& settings() const { return m_settings; }
    /// What a run that begins with these weights is made from: at least the network.
    Json settingsToTune() const;
    /// The folder that images go into.
    QString imagesFolder() const;
    /// The autoencoder that shows latents; empty where there is none to name.
    QString autoencoder() const;
    /// Settings that were chosen from a file of their own, and that file.
    void setSettings(const Json& settings, const QString& file, const QString& problem);
    const QString& settingsFile() const { return m_settingsFile; }

Q_SIGNALS:
    void sampleRequested();
    void tuneRequested();
    void settingsWanted(const QString& file);

private:
    void addFacts(QVBoxLayout* column, const Json& said);
    void addSampling(QVBoxLayout* column, const Json& said);
    void refresh();
    QString whyNotSample() const;

    const QString m_path;
    Json m_settings, m_model;
    QString m_settingsFile, m_settingsProblem;
    QLineEdit* m_folder = nullptr;
    QLineEdit* m_autoencoder = nullptr;
    QLabel* m_why = nullptr;
    QPushButton* m_sample = nullptr;
    QPushButton* m_chooseSettings = nullptr;
};

} // namespace espalier::widgets
