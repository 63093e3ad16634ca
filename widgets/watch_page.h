// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/plot_view.h"
#include "widgets/run_values.h"

#include <QImage>
#include <QWidget>

class QAction;
class QLabel;
class QMenu;
class QSlider;
class QStackedLayout;
class QTimer;
class QToolButton;

namespace espalier::widgets {

class Card;
class CurveLegend;
class RankLegend;
struct CurveChoice;
class EmptyNote;
class GridCard;
class TimeAxis;
class WatchTiles;

/// Loss, distance, tiles and the newest grid of one run.
class WatchPage : public QWidget {
    Q_OBJECT
public:
    explicit WatchPage(TimeAxis* axis, QWidget* parent = nullptr);

    void setRun(const RunView& run);
    void setPlotData(const PlotData& data);
    void setNewestGrid(const QImage& image, const std::optional<runs::SampleEntry>& entry);

    /// Left and right end of the plots' x-axis, global.
    std::pair<int, int> plotSpan() const;
    /// What the plots want to show now.
    PlotQuery query() const;

    /// What survives a restart: smoothing, log axes, the chosen curve, the axis.
    Json layoutState() const;
    void restoreLayout(const Json& state);

Q_SIGNALS:
    void queryChanged(const espalier::widgets::PlotQuery& query);
    void plotSpanChanged();
    void samplesOpened();
    void sampleRequested();
    void evaluateRequested();
    /// Every raw point of these curves in the visible piece, as CSV.
    void csvRequested(const QStringList& tags, const QString& file);
    void message(const QString& text); // something worth a line in the status bar

protected:
    void resizeEvent(QResizeEvent* event) override;
    void showEvent(QShowEvent* event) override;

private:
    void buildLayout();
    QWidget* buildCurveCard();
    QWidget* buildDistanceCard();
    QWidget* buildSide();
    void connectSignals();
    void ask();
    void chooseCurve(const std::string& tag);
    void fillCurveMenu();
    std::vector<PlotView::Curve> curvesOfRanks(const CurveChoice& choice) const;
    void showRanks();
    QString waitingText(const RunView& run) const;
    void showFollow();

    TimeAxis* m_axis;
    RunView m_run;
    std::string m_tag;
    PlotQuery m_asked;
    QTimer* m_askTimer; // runs for a moment after a question: zooming asks no faster
    bool m_askAgain = false;

    PlotView* m_curve;
    CurveLegend* m_legend = nullptr;
    std::vector<CurveView> m_curves; // of the chosen tag, as they were answered
    PlotView* m_distance;
    RankLegend* m_ranks;
    QStackedLayout* m_curveStack;
    QStackedLayout* m_distanceStack;
    EmptyNote* m_curveEmpty;
    EmptyNote* m_distanceEmpty;
    Card* m_distanceCard;
    QToolButton* m_curveTitle;
    QToolButton* m_axisButton;
    QToolButton* m_logButton;
    QToolButton* m_logDistance;
    QToolButton* m_followButton;
    QSlider* m_smoothing;
    QLabel* m_smoothingText;
    QLabel* m_recipe;
    WatchTiles* m_tiles;
    GridCard* m_grid;
};

} // namespace espalier::widgets
