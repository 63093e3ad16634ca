// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>
#include <QString>

#include <functional>

class QToolButton;

namespace espalier::widgets {

class PlotView;
class TimeAxis;

/// What can be done with a plot: copy or save its picture, save its numbers, show everything. Opens from a button and by the right mouse
/// button over the plot.
class PlotMenu : public QObject {
    Q_OBJECT
public:
    /// `title` is asked for when a picture is saved; `stem` names the files.
    PlotMenu(PlotView* plot, TimeAxis* axis, QToolButton* button, QString stem, std::function<QString()> title);

Q_SIGNALS:
    void csvChosen(const QString& file);
    void message(const QString& text);

private:
    void savePicture();
    void saveNumbers();

    PlotView* m_plot;
    QString m_stem;
    std::function<QString()> m_title;
};

} // namespace espalier::widgets
