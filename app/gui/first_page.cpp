// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/first_page.h"

#include "widgets/theme.h"

#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

namespace espalier::gui {

using namespace widgets;

FirstPage::FirstPage(QWidget* parent) : QWidget(parent)
{
    setObjectName(QStringLiteral("firstPage"));
    auto* column = new QVBoxLayout(this);
    column->setSpacing(12);
    column->addStretch(2);
    auto* title = new QLabel(QStringLiteral("Train your first image model"), this);
    title->setFont(typeFont(Type::Title));
    title->setAlignment(Qt::AlignCenter);
    auto* text = new QLabel(QStringLiteral("The demo draws its own small pictures and trains a diffusion model on them, here on the CPU.\n"
                                           "Watch the loss fall and samples take shape. Nothing is downloaded."),
                            this);
    text->setAlignment(Qt::AlignCenter);
    text->setProperty("role", "dim");
    auto* demo = new QPushButton(QStringLiteral("Run the two-minute demo"), this);
    demo->setObjectName(QStringLiteral("firstDemo"));
    demo->setAccessibleName(demo->text());
    demo->setProperty("primary", true);
    demo->setFont(typeFont(Type::Heading));
    demo->setProperty("big", true);
    demo->setMinimumWidth(320);
    demo->setDefault(true);
    auto* open = new QPushButton(QStringLiteral("Open a folder of runs…"), this);
    open->setObjectName(QStringLiteral("firstOpen"));
    open->setAccessibleName(QStringLiteral("Open a folder of runs"));
    open->setMinimumWidth(320);
    column->addWidget(title);
    column->addWidget(text);
    column->addSpacing(10);
    column->addWidget(demo, 0, Qt::AlignHCenter);
    column->addWidget(open, 0, Qt::AlignHCenter);
    column->addStretch(3);
    connect(demo, &QPushButton::clicked, this, &FirstPage::demoRequested);
    connect(open, &QPushButton::clicked, this, &FirstPage::openRequested);
}

} // namespace espalier::gui
