// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/stage_outcomes.h"
#include "widgets/target_view.h"

#include <QWidget>

class QLabel;
class QTableView;

namespace espalier::widgets {

class Card;
class GridCard;
class ImageProvider;
class ModulePicture;
class StageOutcomeModel;
class StageTimes;

/// The stages of a run beside each other: time, forecast, distance or accuracy, and the newest grid of the chosen one.
class StagesView : public QWidget {
    Q_OBJECT
public:
    explicit StagesView(ImageProvider* images, QWidget* parent = nullptr);

    /// `folder` is that of the run; `draws` whether it makes pictures.
    void setOutcomes(const QString& folder, StageOutcomes outcomes, bool draws);
    /// What its modules make up; nothing where there are none.
    void setTarget(TargetView target);
    /// The index of the chosen stage; -1: none.
    int chosen() const;
    void choose(int index);
    QString csv() const;
    ModulePicture* modules() const { return m_modules; }
    StageOutcomeModel* model() const { return m_model; }

Q_SIGNALS:
    /// Other pages may show only this stage.
    void stageOpened(int index);
    /// The pointer is over the module that this stage trains; -1: over none.
    void stagePointed(int index);
    void stageChosen(int index); // by its module

private:
    void buildLayout();
    void connectSignals();
    void showChosen();
    void fitColumns();
    bool eventFilter(QObject* watched, QEvent* event) override;

    ImageProvider* m_images;
    StageOutcomeModel* m_model;
    QString m_folder;
    bool m_draws = true;
    Card* m_modulesCard = nullptr;
    ModulePicture* m_modules = nullptr;
    QLabel* m_modulesWords = nullptr;
    StageTimes* m_times = nullptr;
    QLabel* m_recipe = nullptr;
    QTableView* m_table = nullptr;
    GridCard* m_grid = nullptr;
};

} // namespace espalier::widgets
