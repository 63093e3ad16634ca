// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/device_picker.h"

#include "widgets/page_parts.h"
#include "widgets/run_values.h"
#include "widgets/theme.h"

#include <QButtonGroup>
#include <QCheckBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QRadioButton>
#include <QSpinBox>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

using config::DeviceAsk;
using config::DeviceKind;

namespace {

constexpr int kIndent = 24; // of what belongs to a choice: as wide as its mark

QHBoxLayout* indented(QWidget* widget)
{
    auto* row = new QHBoxLayout;
    row->setContentsMargins(kIndent, 0, 0, 0);
    row->addWidget(widget);
    return row;
}

QRadioButton* choiceButton(const QString& name, const QString& text, QWidget* parent)
{
    auto* button = new QRadioButton(text, parent);
    button->setObjectName(name);
    button->setAccessibleName(text);
    return button;
}

} // namespace

DevicePicker::DevicePicker(QWidget* parent) : QWidget(parent)
{
    setObjectName(QStringLiteral("devicePicker"));
    setAccessibleName(tr("Devices"));
    buildLayout();
    makeRows();
    refresh();
}

void DevicePicker::buildLayout()
{
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(metric::kGrid);

    m_auto = choiceButton(QStringLiteral("devicesAuto"), tr("Automatic"), this);
    m_autoMeans = dimLabel(QString(), this);
    column->addWidget(m_auto);
    column->addLayout(indented(m_autoMeans));
    column->addSpacing(metric::kGap);

    m_gpus = choiceButton(QStringLiteral("devicesGpus"), tr("These GPUs"), this);
    m_whyNoGpu = dimLabel(QString(), this);
    m_whyNoGpu->setObjectName(QStringLiteral("whyNoGpu"));
    m_whyNoGpu->setWordWrap(true);
    column->addWidget(m_gpus);
    column->addLayout(indented(m_whyNoGpu));
    m_gpuRows = new QVBoxLayout;
    m_gpuRows->setContentsMargins(kIndent, 0, 0, 0);
    m_gpuRows->setSpacing(metric::kGap);
    column->addLayout(m_gpuRows);
    column->addSpacing(metric::kGap);

    auto* cpu = new QHBoxLayout;
    cpu->setSpacing(metric::kGap);
    m_cpu = choiceButton(QStringLiteral("devicesCpu"), tr("CPU"), this);
    m_workers = new QSpinBox(this);
    m_workers->setObjectName(QStringLiteral("devicesWorkers"));
    m_workers->setAccessibleName(tr("Workers on the CPU"));
    m_workers->setToolTip(tr("Each worker is a rank with its share of the cores and of every batch"));
    m_workers->setRange(1, 1024);
    m_workers->setSuffix(tr(" worker"));
    m_workers->setFixedWidth(128);
    cpu->addWidget(m_cpu);
    cpu->addWidget(m_workers);
    cpu->addStretch(1);
    column->addLayout(cpu);
    m_cpuFacts = dimLabel(QString(), this);
    column->addLayout(indented(m_cpuFacts));
    column->addSpacing(metric::kGap);

    m_meaning = new QLabel(this);
    m_meaning->setObjectName(QStringLiteral("devicesMeaning"));
    m_meaning->setWordWrap(true);
    m_problem = errorLabel(this);
    m_problem->setObjectName(QStringLiteral("devicesProblem"));
    column->addWidget(m_meaning);
    column->addWidget(m_problem);
    column->addStretch(1);

    m_group = new QButtonGroup(this);
    for (auto* button : {m_auto, m_gpus, m_cpu})
        m_group->addButton(button);
    connect(m_auto, &QRadioButton::clicked, this, [this] { choose({}); });
    connect(m_gpus, &QRadioButton::clicked, this, &DevicePicker::chooseGpus);
    connect(m_cpu, &QRadioButton::clicked, this, [this] { choose({DeviceKind::Cpu, m_workers->value(), {}}); });
    connect(m_workers, &QSpinBox::valueChanged, this, [this](int workers) { choose({DeviceKind::Cpu, workers, {}}); });
}

void DevicePicker::makeRows()
{
    for (const auto& row : m_rows)
        delete row.row;
    m_rows.clear();
    for (const auto& gpu : m_machine.gpus) {
        const QString number = QString::number(gpu.index);
        auto* widget = new QWidget(this);
        Row row{widget, new QCheckBox(widget), new QProgressBar(widget), dimLabel({}, widget), dimLabel({}, widget)};
        row.tick->setObjectName(QStringLiteral("device.") + number);
        row.memory->setObjectName(QStringLiteral("deviceMemory.") + number);
        row.memory->setAccessibleName(tr("Memory in use of GPU %1").arg(number));
        row.memory->setTextVisible(false);
        row.memory->setRange(0, 1000);
        row.memory->setFixedHeight(4);
        row.use->setObjectName(QStringLiteral("deviceUse.") + number);
        auto* first = new QHBoxLayout;
        first->setSpacing(metric::kGap);
        first->addWidget(row.tick, 1);
        first->addWidget(row.use);
        auto* column = new QVBoxLayout(widget);
        column->setContentsMargins(0, 0, 0, 0);
        column->setSpacing(3);
        column->addLayout(first);
        auto* below = new QVBoxLayout;
        below->setContentsMargins(kIndent, 0, 0, 0);
        below->setSpacing(3);
        below->addWidget(row.facts);
        below->addWidget(row.memory);
        column->addLayout(below);
        m_gpuRows->addWidget(widget);
        connect(row.tick, &QCheckBox::clicked, this, [this, index = gpu.index](bool on) { tick(index, on); });
        m_rows.push_back(row);
    }
}

void DevicePicker::setMachine(const MachineView& machine)
{
    if (machine == m_machine)
        return;
    const bool same = std::equal(machine.gpus.begin(), machine.gpus.end(), m_machine.gpus.begin(), m_machine.gpus.end(),
                                 [](const auto& a, const auto& b) { return a.index == b.index && a.name == b.name; });
    m_machine = machine;
    if (!same)
        makeRows();
    refresh();
}

void DevicePicker::setDevices(const QString& text)
{
    m_text = text;
    refresh();
}

void DevicePicker::setConfig(const Json& config)
{
    m_config = config;
    refresh();
}

DeviceMeaning DevicePicker::meaning() const
{
    return meaningOf(m_text.toStdString(), m_config, m_machine);
}

void DevicePicker::refresh()
{
    const bool any = !m_machine.gpus.empty();
    m_autoMeans->setText(any ? tr("The first GPU. In the queue: any one that is free") : tr("The CPU"));
    m_gpus->setEnabled(any);
    m_gpus->setToolTip(any ? tr("One rank on each") : m_machine.whyNoGpu);
    m_whyNoGpu->setText(m_machine.whyNoGpu);
    m_whyNoGpu->setVisible(!any && !m_machine.whyNoGpu.isEmpty());
    m_cpuFacts->setText((m_machine.cpu.name.isEmpty() ? QString() : m_machine.cpu.name + QStringLiteral(" · ")) + cpuFacts(m_machine.cpu) +
                        (m_machine.cpu.inUse ? QStringLiteral(" · ") + useWords(m_machine.cpu) : QString()));
    for (std::size_t i = 0; i < m_rows.size(); ++i) {
        const auto& gpu = m_machine.gpus[i];
        const auto& row = m_rows[i];
        row.tick->setText(QStringLiteral("GPU %1 · %2").arg(gpu.index).arg(gpu.name));
        row.tick->setAccessibleName(row.tick->text());
        row.tick->setAccessibleDescription(gpuFacts(gpu) + QStringLiteral(", ") + useWords(gpu));
        row.facts->setText(gpuFacts(gpu));
        const QFontMetrics metrics(row.use->font());
        row.use->setText(metrics.elidedText(useWords(gpu), Qt::ElideRight, 200));
        row.use->setToolTip(useWords(gpu));
        setFlag(row.use, "role", gpu.inUse ? "" : "dim");
        row.memory->setValue(gpu.totalBytes > 0 ? static_cast<int>(1000.0 - 1000.0 * static_cast<double>(gpu.freeBytes) /
                                                                                static_cast<double>(gpu.totalBytes))
                                                : 0);
        row.memory->setVisible(gpu.totalBytes > 0);
    }
    showChoice();
}

void DevicePicker::showChoice()
{
    const auto ask = config::parseDevices(m_text.toStdString());
    const auto is = [&](DeviceKind kind) { return ask && ask->kind == kind; };
    m_group->setExclusive(false); // a text that cannot be read chooses nothing
    m_auto->setChecked(is(DeviceKind::Auto));
    m_gpus->setChecked(is(DeviceKind::Gpu));
    m_cpu->setChecked(is(DeviceKind::Cpu));
    m_group->setExclusive(true);
    for (std::size_t i = 0; i < m_rows.size(); ++i)
        m_rows[i].tick->setChecked(ask &&
                                   std::find(ask->indices.begin(), ask->indices.end(), m_machine.gpus[i].index) != ask->indices.end());
    const QSignalBlocker quiet(m_workers);
    if (is(DeviceKind::Cpu))
        m_workers->setValue(ask->count);
    m_workers->setSuffix(m_workers->value() == 1 ? tr(" worker") : tr(" workers"));
    const auto means = meaning();
    m_meaning->setText(means.text);
    m_problem->setText(means.problem);
    m_problem->setVisible(!means.problem.isEmpty());
}

void DevicePicker::choose(const DeviceAsk& ask)
{
    m_text = QString::fromStdString(config::devicesText(ask));
    showChoice();
    Q_EMIT chosen(m_text);
}

void DevicePicker::tick(int index, bool on)
{
    const auto ask = config::parseDevices(m_text.toStdString());
    auto indices = ask ? ask->indices : std::vector<int>{};
    if (on) {
        const bool sorted = std::is_sorted(indices.begin(), indices.end()); // else somebody gave ranks an order of their own
        indices.push_back(index);
        if (sorted)
            std::sort(indices.begin(), indices.end());
    } else {
        std::erase(indices, index);
    }
    if (indices.empty())
        return choose({});
    choose({DeviceKind::Gpu, static_cast<int>(indices.size()), indices});
}

void DevicePicker::chooseGpus()
{
    if (m_machine.gpus.empty())
        return;
    const auto free = std::find_if(m_machine.gpus.begin(), m_machine.gpus.end(), [](const auto& gpu) { return !gpu.inUse; });
    choose({DeviceKind::Gpu, 1, {(free == m_machine.gpus.end() ? m_machine.gpus.front() : *free).index}});
}

} // namespace espalier::widgets
