// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/help_sheet.h"

#include "widgets/theme.h"

#include <QTextBrowser>
#include <QVBoxLayout>

#include <map>

namespace espalier::widgets {
namespace {

const std::map<QString, const char*>& pages()
{
    static const std::map<QString, const char*> kPages{{QStringLiteral("watch"), R"(# Watch

Loss, distance to the data, speed and the newest samples of the chosen run, as they come.

**Curves.** The band shows the least and greatest value at each pixel, the line is smoothed (slider). Nothing is thrown away:
zooming in shows every single point. A triangle at the axis marks values that were not a number. Click the title for another curve.

**Moving.** The wheel zooms, dragging pans, a double click shows everything; over the numbers at the left the wheel zooms the y-axis.
*Follow* returns to the newest point. Arrow keys, + and −, Home and End do the same. All plots and the stages above share one axis:
steps, images, training time, wall clock or FLOPs.

**Stages.** Filled is trained, hatched is forecast, amber is a search for the size of a stage. Click one to zoom there and to see its
samples; the right button forks the run there, exports it or compares it with the next. The window counts stages from 1, the command
line from 0: the tooltip says its *--at-stage*.

**Distance.** FD or FID, always with its recipe: a number without its recipe cannot be compared. Dashed lines are the floor (real
images against other real images) and the ceiling (real images against noise).

**Ranks.** A run on several devices has a curve for each rank: its speed if it waited for nobody, and load, memory, temperature and power
of its GPU. The slowest is dashed and marked: all others wait for it.

**Saving.** The dots at the right of a plot: copy it, save it as PNG, SVG or PDF, or every raw point as CSV.)"},
                                                       {QStringLiteral("samples"), R"(# Samples

Every grid that the run has drawn, always from the same noise, so that one cell can be followed through time.

← and → go through time, Home and End to its ends. Averaged (EMA) and raw weights can be told apart. Click a cell to see that one
image through the whole run. Export saves a grid, or one cell through time, as PNG.)"},
                                                       {QStringLiteral("evaluation"), R"(# Evaluation

All distances measured for this run, each with its recipe. *Evaluate now* asks the running trainer for one, or draws it from the newest
checkpoint when the run is at rest. FD uses fixed random features and works anywhere; FID needs the published Inception weights file.

**By stage.** Of a run that grows: what each stage took against its forecast, the last and best value in it, and its newest grid. Open a
stage to see its samples alone.)"},
                                                       {QStringLiteral("checkpoints"), R"(# Checkpoints

What was saved: step, size and distance. A checkpoint can be resumed; an export is for other programs (safetensors or PyTorch). Draw
samples from a checkpoint, keep one for good, or delete those you do not need.)"},
                                                       {QStringLiteral("configuration"), R"(# Configuration

For a new run: choose a preset, change what you like, press Start. Every setting says what it does; the arrow takes a change back.
What is wrong stands at its field and in a list. The button beside *Devices* shows what each has free and which run uses it. *Start when
free* puts the run into the queue below the library. For an existing run this page is read-only; duplicate the run to change something.)"},
                                                       {QStringLiteral("search"), R"(# Search

Before a stage, candidates for its size are measured. The table has what each scored, the plot its cost against its loss or its votes;
the chosen one is marked. Measured times are kept with the run and never measured again, so a new search may choose otherwise;
set *search.cost* to analytic for one that finds the same again.)"},
                                                       {QStringLiteral("log"), R"(# Log

What the run said, newest last. Type to filter; errors are marked and say what to do.)"},
                                                       {QStringLiteral("library"), R"(# Library

Every run in the library folder, wherever it was started: here, in a terminal or on another machine. Filter by words of name, model,
data or state. The context menu opens the folder, duplicates, renames, archives or deletes a run.

**Queue.** Runs that wait until no other uses their devices, what each waits for and why. The first that fits starts. Drag a run or use
Alt+Up and Alt+Down to reorder; start one without waiting, or take it out (Delete): nothing of it is lost. Each waits as a process of its
own, also when this window is closed.

Ctrl+N new run · Ctrl+Return start · Ctrl+K search everything · 1–6 pages · F1 this help)"}};
    return kPages;
}

} // namespace

QString helpText(const QString& page)
{
    const auto it = pages().find(page);
    return QString::fromUtf8(it == pages().end() ? pages().at(QStringLiteral("library")) : it->second);
}

HelpSheet::HelpSheet(QWidget* parent) : QDialog(parent), m_text(new QTextBrowser(this))
{
    setObjectName(QStringLiteral("helpSheet"));
    setWindowTitle(QStringLiteral("Help"));
    m_text->setObjectName(QStringLiteral("helpText"));
    m_text->setAccessibleName(QStringLiteral("Help"));
    m_text->setOpenExternalLinks(true);
    m_text->setFrameShape(QFrame::NoFrame);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(metric::kPageMargin, metric::kPageMargin, metric::kPageMargin, metric::kPageMargin);
    column->addWidget(m_text);
    resize(460, 560);
}

void HelpSheet::showPage(const QString& page)
{
    m_text->setMarkdown(helpText(page));
    show();
    raise();
    activateWindow();
}

} // namespace espalier::widgets
