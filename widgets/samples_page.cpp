// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/samples_page.h"

#include "widgets/card.h"
#include "widgets/filmstrip.h"
#include "widgets/format.h"
#include "widgets/grid_settings.h"
#include "widgets/page_parts.h"
#include "widgets/step_transport.h"
#include "widgets/theme.h"

#include <QComboBox>
#include <QFileDialog>
#include <QKeyEvent>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QSignalBlocker>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

namespace {

constexpr int kCellSide = 96;

} // namespace

SamplesPage::SamplesPage(ImageProvider* provider, QWidget* parent) : QWidget(parent), m_provider(provider)
{
    setObjectName(QStringLiteral("samplesPage"));
    setAccessibleName(tr("Samples"));
    setFocusPolicy(Qt::StrongFocus);
    buildLayout();
    connectSignals();
    setExpectation({}, {});
    refilter(-1);
}

void SamplesPage::buildLayout()
{
    m_card = new Card(tr("Samples"), this);
    m_card->header()->addWidget(buildHeader());
    m_views = new QStackedWidget(m_card);
    auto* grids = new QWidget(m_views);
    auto* pair = new QHBoxLayout(grids);
    pair->setContentsMargins(0, 0, 0, 0);
    pair->setSpacing(metric::kCardGap);
    m_viewA = new GridView(grids);
    m_viewA->setObjectName(QStringLiteral("gridA"));
    m_viewA->setAccessibleName(tr("Grid that is compared with"));
    m_viewA->hide();
    m_viewB = new GridView(grids);
    m_viewB->setObjectName(QStringLiteral("grid"));
    pair->addWidget(m_viewA, 1);
    pair->addWidget(m_viewB, 1);
    m_cells = new Filmstrip(m_provider, Filmstrip::Flow::Wrapped, kCellSide, m_views);
    m_cells->setObjectName(QStringLiteral("cellStrip"));
    m_cells->setAccessibleName(tr("One cell through time"));
    m_views->addWidget(grids);
    m_views->addWidget(m_cells);
    m_card->body()->addWidget(m_views, 1);
    m_note = dimLabel(QString(), m_card);
    m_note->setObjectName(QStringLiteral("samplesNote"));
    m_note->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_note->hide();
    m_card->body()->addWidget(m_note);

    m_settings = new GridSettings(this);

    auto* above = new QHBoxLayout;
    above->setSpacing(metric::kCardGap);
    above->addWidget(m_card, 1);
    above->addWidget(m_settings);
    auto* content = new QWidget(this);
    auto* page = new QVBoxLayout(content);
    page->setContentsMargins(0, 0, 0, 0);
    page->setSpacing(metric::kCardGap);
    page->addLayout(above, 1);
    m_transport = new StepTransport(m_provider, this);
    // What is still being read is waited for instead of stumbled over.
    m_transport->setReady([this](int place) { return m_cell >= 0 || m_provider->get(m_grids.source(place)); });
    page->addWidget(m_transport);

    m_empty = new EmptyNote(tr("No samples yet"), QString(), this);
    m_empty->setObjectName(QStringLiteral("samplesEmpty"));
    m_stack = new QStackedWidget(this);
    m_stack->addWidget(m_empty);
    m_stack->addWidget(content);
    auto* whole = new QVBoxLayout(this);
    whole->setContentsMargins(0, 0, 0, 0);
    whole->addWidget(m_stack);
}

QWidget* SamplesPage::buildHeader()
{
    auto* header = new QWidget(m_card);
    auto* row = new QHBoxLayout(header);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(metric::kGap);
    m_back = pushButton(QStringLiteral("backToGrid"), tr("Back to the grid"), header);
    m_back->setToolTip(tr("Back to the whole grid (Esc)"));
    m_weights = new QComboBox(header);
    m_weights->setObjectName(QStringLiteral("weightsFilter"));
    m_weights->setAccessibleName(tr("Weights"));
    m_weights->setToolTip(tr("Which weights drew the grids"));
    m_stages = new QComboBox(header);
    m_stages->setObjectName(QStringLiteral("stageFilter"));
    m_stages->setAccessibleName(tr("Stage"));
    m_pairs = new QComboBox(header);
    m_pairs->setObjectName(QStringLiteral("stagePairs"));
    m_pairs->setAccessibleName(tr("Compare two stages"));
    m_pairs->setToolTip(tr("The last grid of a stage beside the last of the next, from the same noise"));
    m_compare = pushButton(QStringLiteral("compareSteps"), tr("A | B"), header);
    m_compare->setCheckable(true);
    m_compare->setAccessibleName(tr("Compare two steps side by side"));
    m_compare->setToolTip(tr("Keep this grid as A and look at another beside it; both zoom together"));
    m_fit = headerButton(QStringLiteral("fitGrid"), tr("Fit"), QString(), header);
    m_fit->setToolTip(tr("Show the whole grid (0). The wheel zooms, dragging moves."));
    m_export = headerButton(QStringLiteral("exportSamples"), tr("Export"), QStringLiteral("export"), header);
    m_export->setPopupMode(QToolButton::InstantPopup);
    m_exportMenu = new QMenu(m_export);
    m_exportMenu->setToolTipsVisible(true);
    const std::pair<const char*, QString> entries[] = {{"grid", tr("This grid as PNG…")},
                                                       {"strip", tr("This cell through time as one PNG…")},
                                                       {"cells", tr("This cell through time, a PNG for each step…")},
                                                       {"all", tr("All grids shown into a folder…")}};
    for (const auto& [what, title] : entries) {
        QAction* action = m_exportMenu->addAction(title);
        action->setObjectName(QStringLiteral("export.") + QLatin1String(what));
        connect(action, &QAction::triggered, this, [this, name = QString::fromLatin1(what)] { askAndExport(name); });
    }
    m_export->setMenu(m_exportMenu);
    for (QWidget* widget : std::initializer_list<QWidget*>{m_back, m_weights, m_stages, m_pairs, m_compare, m_fit, m_export})
        row->addWidget(widget);
    return header;
}

void SamplesPage::connectSignals()
{
    connect(m_empty, &EmptyNote::actionRequested, this, &SamplesPage::sampleRequested);
    connect(m_transport, &StepTransport::chosen, this, &SamplesPage::setCurrent);
    connect(m_transport, &StepTransport::pinRequested, this, [this](int index) {
        m_pinned = index;
        setComparing(true);
    });
    connect(m_cells, &Filmstrip::chosen, this, [this](int index) {
        setCurrent(index);
        m_viewB->setSelectedCell(m_cell);
        followCell(-1);
    });
    connect(m_compare, &QPushButton::toggled, this, &SamplesPage::setComparing);
    connect(m_back, &QPushButton::clicked, this, [this] { followCell(-1); });
    connect(m_fit, &QToolButton::clicked, this, [this] {
        m_viewA->setView({});
        m_viewB->setView({});
    });
    const auto filtered = [this] {
        m_filtersTouched = true;
        refilter(currentStep());
    };
    connect(m_weights, &QComboBox::activated, this, filtered);
    connect(m_stages, &QComboBox::activated, this, filtered);
    connect(m_pairs, &QComboBox::activated, this, [this](int index) {
        if (index > 0)
            comparePair(m_pairs->itemData(index).toInt());
        else
            setComparing(false);
    });
    connect(m_viewA, &GridView::viewChanged, m_viewB, &GridView::setView);
    connect(m_viewB, &GridView::viewChanged, m_viewA, &GridView::setView);
    for (GridView* view : {m_viewA, m_viewB}) {
        connect(view, &GridView::cellClicked, this, &SamplesPage::followCell);
        connect(view, &GridView::dragStarted, this, [this, view] {
            const int index = view == m_viewA ? m_pinned : m_current;
            if (index < 0)
                return;
            const LoadedImage* shown = m_provider->peek(m_grids.source(index));
            dragFiles(view, {m_grids.source(index).path}, shown ? shown->image : QImage());
        });
    }
    connect(m_provider, &ImageProvider::ready, this, [this](const ImageSource& ready, ImageCut cut) {
        if (cut == ImageCut{} && m_current >= 0 &&
            (ready == m_grids.source(m_current) || (m_pinned >= 0 && ready == m_grids.source(m_pinned))))
            refreshPicture();
    });
    connect(m_provider, &ImageProvider::exported, this, [this](bool ok, const QString& sentence) {
        setFlag(m_note, "role", ok ? "dim" : "error");
        m_note->setText(sentence);
        m_note->show();
        QTimer::singleShot(ok ? 6000 : 20000, m_note, [note = m_note, sentence] {
            if (note->text() == sentence)
                note->hide();
        });
    });
}

void SamplesPage::setExpectation(const QString& sentence, const QString& whyNotSample)
{
    m_whyNotSample = whyNotSample;
    m_empty->setText(
        tr("No samples yet"),
        (sentence.isEmpty() ? tr("Grids of samples appear here as the run draws them, so that you can watch them sharpen.") : sentence) +
            (whyNotSample.isEmpty() ? QString() : QStringLiteral("\n") + whyNotSample));
    m_empty->setAction(whyNotSample.isEmpty() ? tr("Sample now") : QString());
}

void SamplesPage::setSamples(const QString& runFolder, const std::vector<runs::SampleEntry>& samples)
{
    const bool another = std::exchange(m_folder, runFolder) != runFolder;
    const bool atEnd = another || m_current < 0 || m_current + 1 == shownCount();
    const std::int64_t step = atEnd && !isPlaying() ? -1 : currentStep();
    const std::int64_t pinnedStep = m_pinned >= 0 && !another ? m_grids.entry(m_pinned).drawn.step : -1;
    m_grids.set(runFolder, samples);
    if (another) {
        m_transport->play(false);
        m_filtersTouched = false;
        m_cell = m_pinned = -1;
        m_viewA->setView({});
        m_viewB->setView({});
        m_viewB->setSelectedCell(-1);
        const QSignalBlocker block(m_compare);
        m_compare->setChecked(false);
    }
    m_current = -1;
    m_pinned = -1;
    refreshFilters();
    refilter(step);
    if (pinnedStep >= 0) {
        for (int i = 0; i < shownCount() && m_pinned < 0; ++i)
            if (m_grids.entry(i).drawn.step == pinnedStep)
                m_pinned = i;
        refreshMode();
    }
}

void SamplesPage::refreshFilters()
{
    const auto weights = m_grids.weights();
    const auto stages = m_grids.stages();
    const QVariant chosenWeights = m_weights->currentData(), chosenStage = m_stages->currentData();
    const bool wanted = m_filtersTouched;
    m_weights->clear();
    for (const std::string& name : weights) // "ema" sorts before "raw"
        m_weights->addItem(weightsText(name), QString::fromStdString(name));
    if (weights.size() > 1)
        m_weights->addItem(tr("All weights"), QStringLiteral("*"));
    m_weights->setCurrentIndex(wanted ? std::max(0, m_weights->findData(chosenWeights)) : 0);
    m_weights->setVisible(weights.size() > 1);
    m_stages->clear();
    m_stages->addItem(tr("All stages"), -1);
    for (int stage : stages)
        m_stages->addItem(m_names.of(stage), stage);
    m_stages->setCurrentIndex(wanted ? std::max(0, m_stages->findData(chosenStage)) : 0);
    m_stages->setVisible(stages.size() > 1);
    m_pairs->clear();
    m_pairs->addItem(tr("Compare stages…"), -1);
    for (int stage : stages)
        if (stages.count(stage + 1))
            m_pairs->addItem(m_names.named() ? tr("%1 | %2").arg(m_names.of(stage), m_names.of(stage + 1))
                                             : tr("Stage %1 | %2").arg(stage + 1).arg(stage + 2),
                             stage);
    m_pairs->setVisible(m_pairs->count() > 1);
}

void SamplesPage::refilter(std::int64_t step)
{
    const std::string weights = m_weights->currentData().toString().toStdString();
    const int stage = m_stages->count() > 0 ? m_stages->currentData().toInt() : -1;
    m_grids.filter(weights, stage);
    std::vector<Frame> frames;
    for (int i = 0; i < shownCount(); ++i) {
        const runs::SamplesDrawn& drawn = m_grids.entry(i).drawn;
        frames.push_back(
            {m_grids.source(i), m_grids.stepText(i), tr("Step %1 · %2").arg(m_grids.stepText(i), weightsText(drawn.weights)), drawn.stage});
    }
    m_transport->setFrames(frames);
    m_cells->setFrames(std::move(frames));
    m_stack->setCurrentIndex(m_grids.empty() ? 0 : 1);
    m_pinned = -1;
    m_current = -1;
    if (shownCount() > 0)
        showStep(step);
    refreshMode();
}

void SamplesPage::setStage(int stage)
{
    const int index = m_stages->findData(stage);
    if (index < 0)
        return;
    m_filtersTouched = true;
    m_stages->setCurrentIndex(index);
    refilter(currentStep());
}

bool SamplesPage::hasPair(int stage) const
{
    return m_pairs->findData(stage) > 0;
}

void SamplesPage::comparePair(int stage)
{
    if (!hasPair(stage))
        return;
    setStage(-1);
    if (m_weights->currentData().toString() == QLatin1String("*")) { // grids of the same weights
        m_weights->setCurrentIndex(0);
        refilter(currentStep());
    }
    const int before = m_grids.lastOfStage(stage), after = m_grids.lastOfStage(stage + 1);
    if (before < 0 || after < 0)
        return;
    m_cell = -1;
    setCurrent(after);
    m_pinned = before;
    refreshMode();
    m_pairs->setCurrentIndex(m_pairs->findData(stage));
}

void SamplesPage::showStep(std::int64_t step)
{
    setCurrent(m_grids.placeOf(step));
}

std::int64_t SamplesPage::currentStep() const
{
    return m_current >= 0 && m_current < shownCount() ? m_grids.entry(m_current).drawn.step : -1;
}

void SamplesPage::setCurrent(int index)
{
    index = std::clamp(index, -1, shownCount() - 1);
    const bool moved = std::exchange(m_current, index) != index;
    m_transport->setCurrent(index);
    m_cells->setCurrent(index);
    if (index < 0)
        return;
    m_card->setTitle(m_cell >= 0 ? tr("Cell %1 through time").arg(m_cell + 1) : tr("Samples at %1").arg(m_grids.stepText(index)));
    refreshPicture();
    refreshSettings();
    if (moved)
        Q_EMIT currentStepChanged(currentStep());
    prefetch();
}

void SamplesPage::prefetch()
{
    if (!isVisible() || m_cell >= 0)
        return;
    for (int ahead : {1, -1, 2})
        if (const int index = m_current + ahead; index >= 0 && index < shownCount())
            m_provider->get(m_grids.source(index));
}

void SamplesPage::showPicture(GridView* view, int index)
{
    if (const LoadedImage* loaded = m_provider->get(m_grids.source(index))) {
        if (loaded->image.isNull())
            view->setProblem(loaded->problem);
        else
            view->setPicture(loaded->image, loaded->cells);
    }
    view->setColumnNames(columnNames(m_grids.entry(index)));
    if (m_pinned >= 0)
        view->setCaption(QStringLiteral("%1 · %2 · %3%4")
                             .arg(view == m_viewA ? QStringLiteral("A") : QStringLiteral("B"), m_grids.stepText(index),
                                  weightsText(m_grids.entry(index).drawn.weights),
                                  m_grids.stages().size() > 1 ? QStringLiteral(" · ") + m_names.inSentence(m_grids.entry(index).drawn.stage)
                                                              : QString()));
    else
        view->setCaption({});
}

void SamplesPage::refreshPicture()
{
    if (m_current < 0)
        return;
    showPicture(m_viewB, m_current);
    if (m_pinned >= 0)
        showPicture(m_viewA, m_pinned);
}

void SamplesPage::setStageNames(const StageNames& names)
{
    if (names == m_names)
        return;
    m_names = names;
    m_settings->setStageNames(names);
    for (int i = 0; i < m_stages->count(); ++i) // what is chosen stays
        if (const int stage = m_stages->itemData(i).toInt(); stage >= 0)
            m_stages->setItemText(i, m_names.of(stage));
    refreshPicture();
    refreshSettings();
}

void SamplesPage::refreshSettings()
{
    m_settings->show(m_current >= 0 ? &m_grids.entry(m_current) : nullptr, m_pinned >= 0 ? &m_grids.entry(m_pinned) : nullptr);
}

void SamplesPage::refreshMode()
{
    const bool following = m_cell >= 0;
    m_views->setCurrentIndex(following ? 1 : 0);
    m_cells->setCell(m_cell);
    m_back->setVisible(following);
    m_compare->setVisible(!following);
    m_fit->setVisible(!following);
    m_viewA->setVisible(m_pinned >= 0);
    m_transport->setPinned(m_pinned);
    {
        const QSignalBlocker block(m_compare);
        m_compare->setChecked(m_pinned >= 0);
    }
    m_pairs->setVisible(!following && m_pairs->count() > 1);
    if (m_pinned < 0)
        m_pairs->setCurrentIndex(0);
    const int cell = following ? m_cell : m_viewB->selectedCell();
    for (QAction* action : m_exportMenu->actions()) {
        const bool ofCell = action->objectName() == QLatin1String("export.strip") || action->objectName() == QLatin1String("export.cells");
        action->setEnabled(!ofCell || cell >= 0);
        action->setToolTip(action->isEnabled() ? QString() : tr("Click a cell of the grid first"));
    }
    setCurrent(m_current);
}

void SamplesPage::setComparing(bool on)
{
    if (!on)
        m_pinned = -1;
    else if (m_pinned < 0)
        m_pinned = m_current;
    refreshMode();
}

void SamplesPage::followCell(int cell)
{
    m_cell = cell;
    refreshMode();
    if (cell >= 0)
        m_cells->setFocus(Qt::OtherFocusReason);
    else
        m_viewB->setFocus(Qt::OtherFocusReason);
}

bool SamplesPage::isPlaying() const
{
    return m_transport->isPlaying();
}

void SamplesPage::togglePlay()
{
    m_transport->play(!isPlaying());
}

void SamplesPage::keyPressEvent(QKeyEvent* event)
{
    if (shownCount() == 0 || (event->modifiers() & ~Qt::KeypadModifier))
        return QWidget::keyPressEvent(event);
    switch (event->key()) {
    case Qt::Key_Left:
        setCurrent(std::max(0, m_current - 1));
        break;
    case Qt::Key_Right:
        setCurrent(m_current + 1);
        break;
    case Qt::Key_Home:
        setCurrent(0);
        break;
    case Qt::Key_End:
        setCurrent(shownCount() - 1);
        break;
    case Qt::Key_Space:
        togglePlay();
        break;
    case Qt::Key_Escape:
        if (m_cell < 0)
            return QWidget::keyPressEvent(event);
        followCell(-1);
        break;
    default:
        QWidget::keyPressEvent(event);
    }
}

void SamplesPage::hideEvent(QHideEvent* event)
{
    if (isPlaying())
        togglePlay(); // nobody looks
    QWidget::hideEvent(event);
}

void SamplesPage::askAndExport(const QString& what)
{
    if (m_current < 0)
        return;
    const int cell = m_cell >= 0 ? m_cell : m_viewB->selectedCell();
    if (what == QLatin1String("grid") || what == QLatin1String("strip")) {
        const QString name = what == QLatin1String("grid") ? QStringLiteral("samples-%1.png").arg(currentStep())
                                                           : QStringLiteral("cell-%1-through-time.png").arg(cell + 1);
        const QString file = QFileDialog::getSaveFileName(this, tr("Save as PNG"), name, tr("PNG images (*.png)"));
        if (file.isEmpty())
            return;
        what == QLatin1String("grid") ? exportGridTo(file) : exportCellStripTo(file);
    } else {
        const QString folder = QFileDialog::getExistingDirectory(this, tr("Folder for the images"));
        if (folder.isEmpty())
            return;
        what == QLatin1String("cells") ? exportCellsTo(folder) : exportAllTo(folder);
    }
}

void SamplesPage::exportGridTo(const QString& file)
{
    if (m_current >= 0)
        m_provider->exportGrid(m_grids.source(m_current), file);
}

void SamplesPage::exportCellStripTo(const QString& file)
{
    const int cell = m_cell >= 0 ? m_cell : m_viewB->selectedCell();
    if (cell >= 0)
        m_provider->exportCellStrip(m_grids.sources(), m_grids.stepTexts(), cell, file);
}

void SamplesPage::exportCellsTo(const QString& folder)
{
    const int cell = m_cell >= 0 ? m_cell : m_viewB->selectedCell();
    if (cell >= 0)
        m_provider->exportCells(m_grids.sources(), m_grids.fileNames(QStringLiteral("cell-%1-step").arg(cell + 1)), cell, folder);
}

void SamplesPage::exportAllTo(const QString& folder)
{
    m_provider->exportGrids(m_grids.sources(), m_grids.fileNames(QStringLiteral("samples-step")), folder);
}

} // namespace espalier::widgets
