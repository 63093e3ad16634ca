// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/step_transport.h"

#include "widgets/format.h"
#include "widgets/page_parts.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QSlider>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {
namespace {

constexpr int kThumbnail = 64, kPlayEvery = 200; // pixels; milliseconds

} // namespace

StepTransport::StepTransport(ImageProvider* provider, QWidget* parent)
    : Card(QString(), parent), m_film(new Filmstrip(provider, Filmstrip::Flow::Row, kThumbnail, this)),
      m_play(headerButton(QStringLiteral("playSamples"), QString(), QStringLiteral("start"), this)),
      m_slider(new QSlider(Qt::Horizontal, this)), m_place(new QLabel(this))
{
    m_film->setObjectName(QStringLiteral("filmstrip"));
    m_film->setAccessibleName(tr("Grids over the steps"));
    m_play->setAccessibleName(tr("Play"));
    m_play->setToolTip(tr("Play through the steps (Space)"));
    m_play->setToolButtonStyle(Qt::ToolButtonIconOnly);
    m_slider->setObjectName(QStringLiteral("stepSlider"));
    m_slider->setAccessibleName(tr("Step"));
    m_slider->setToolTip(tr("← → one grid, Home and End first and last"));
    m_slider->setPageStep(10);
    m_place->setObjectName(QStringLiteral("stepPlace"));
    m_place->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    m_place->setMinimumWidth(120);
    auto* row = new QHBoxLayout;
    row->setSpacing(metric::kGap);
    row->addWidget(m_play);
    row->addWidget(m_slider, 1);
    row->addWidget(m_place);
    body()->addWidget(m_film);
    body()->addLayout(row);

    m_timer.setInterval(kPlayEvery);
    connect(&m_timer, &QTimer::timeout, this, &StepTransport::advance);
    connect(m_play, &QToolButton::clicked, this, [this] { play(!isPlaying()); });
    connect(m_slider, &QSlider::valueChanged, this, &StepTransport::chosen);
    connect(m_film, &Filmstrip::chosen, this, &StepTransport::chosen);
    connect(m_film, &Filmstrip::pinRequested, this, &StepTransport::pinRequested);
}

void StepTransport::setFrames(std::vector<Frame> frames)
{
    m_count = static_cast<int>(frames.size());
    m_film->setFrames(std::move(frames));
    const QSignalBlocker block(m_slider);
    m_slider->setRange(0, std::max(0, m_count - 1));
}

void StepTransport::setCurrent(int place)
{
    m_current = place;
    {
        const QSignalBlocker block(m_slider);
        m_slider->setValue(std::max(0, place));
    }
    m_film->setCurrent(place);
    if (place >= 0)
        m_place->setText(tr("%1 of %2").arg(number(place + 1), number(m_count)));
}

void StepTransport::setPinned(int place)
{
    m_film->setPinned(place);
}

void StepTransport::play(bool on)
{
    if (!on) {
        m_timer.stop();
    } else if (m_count > 1) {
        if (m_current + 1 >= m_count)
            Q_EMIT chosen(0);
        m_timer.start();
    }
    setThemedIcon(m_play, isPlaying() ? QStringLiteral("pause") : QStringLiteral("start"));
    m_play->setAccessibleName(isPlaying() ? tr("Stop playing") : tr("Play"));
}

void StepTransport::advance()
{
    if (m_current + 1 >= m_count)
        return play(false);
    if (!m_ready || m_ready(m_current + 1))
        Q_EMIT chosen(m_current + 1);
}

} // namespace espalier::widgets
