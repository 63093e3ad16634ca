// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/search_model.h"

#include <QWidget>

namespace espalier::widgets {

/// Cost against loss, or against the votes: a point for each candidate with its name, the chosen one filled.
class SearchPlot : public QWidget {
    Q_OBJECT
public:
    explicit SearchPlot(QWidget* parent = nullptr);
    void setSearch(const SearchView& search);
    QSize minimumSizeHint() const override { return {240, 160}; }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    double yOf(const plan::CandidateScore& candidate) const;

    SearchView m_search;
};

} // namespace espalier::widgets
