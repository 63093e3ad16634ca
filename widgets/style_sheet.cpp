// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/style_sheet.h"

#include "widgets/theme.h"

#include <utility>

namespace espalier::widgets {
namespace {

// %name% stands for a token.
constexpr const char* kSheet = R"(
QToolTip { background: %card%; color: %text%; border: 1px solid %line%; padding: 4px 8px; }
QMainWindow, QDialog { background: %window%; }
QWidget#library { background: %panel%; }
QMainWindow::separator { background: %line%; width: 1px; height: 1px; }
QLabel[role="dim"] { color: %dim%; }
QLabel[role="error"] { color: %failure%; }

QPushButton { background: %card%; color: %text%; border: 1px solid %line%; border-radius: 8px; padding: 5px 14px; min-height: 18px; }
QPushButton:hover { background: %hover%; }
QPushButton:pressed, QPushButton:checked { background: %softAccent%; }
QPushButton:focus { border-color: %accent%; }
QPushButton:disabled { color: %faint%; background: transparent; }
QPushButton[primary="true"] { background: %accent%; color: %onAccent%; border-color: %accent%; font-weight: 600; }
QPushButton[primary="true"]:hover { background: %accentHover%; }
QPushButton[primary="true"]:focus { border-color: %text%; }
QPushButton[primary="true"]:disabled { background: %hover%; color: %faint%; border-color: %line%; }
QPushButton[danger="true"] { color: %failure%; }
QPushButton[flat="true"] { border-color: transparent; background: transparent; }
QPushButton[flat="true"]:hover { background: %hover%; }
QPushButton[link="true"] { border: none; border-radius: 0; background: transparent; color: %failure%; padding: 1px 0; text-align: left; }
QPushButton[link="true"]:hover, QPushButton[link="true"]:focus { text-decoration: underline; }
QPushButton::menu-indicator { image: none; width: 0; }
QPushButton[big="true"] { padding: 14px 24px; border-radius: 10px; }
QPushButton[field="true"] { color: %dim%; text-align: left; padding: 5px 12px; }

QToolButton { background: transparent; color: %text%; border: 1px solid transparent; border-radius: 8px; padding: 4px 10px; }
QToolButton:hover { background: %hover%; }
QToolButton:pressed, QToolButton:checked { background: %softAccent%; }
QToolButton:focus { border-color: %accent%; }
QToolButton:disabled { color: %faint%; }
QToolButton::menu-indicator { image: none; width: 0; }
QToolButton[primary="true"] { background: %accent%; color: %onAccent%; font-weight: 600; padding: 5px 14px; }
QToolButton[primary="true"]:hover { background: %accentHover%; }
QToolButton[small="true"] { color: %dim%; padding: 1px 6px; border-radius: 6px; }
QToolButton[small="true"]:hover, QToolButton[small="true"]:checked { color: %text%; }

QLineEdit, QPlainTextEdit, QTextEdit, QTextBrowser, QComboBox, QAbstractSpinBox {
  background: %card%; color: %text%; border: 1px solid %line%; border-radius: 8px; padding: 4px 10px;
  selection-background-color: %softAccent%; selection-color: %text%; }
QLineEdit, QComboBox, QAbstractSpinBox { min-height: 20px; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QComboBox:focus, QAbstractSpinBox:focus { border-color: %accent%; }
QLineEdit[dimmed="true"], QComboBox[dimmed="true"], QCheckBox[dimmed="true"] { color: %dim%; }
QLineEdit:disabled, QComboBox:disabled, QAbstractSpinBox:disabled { color: %faint%; background: %panel%; }
QLineEdit[problem="true"], QComboBox[problem="true"], QAbstractSpinBox[problem="true"] { border-color: %failure%; }
QComboBox::drop-down { border: none; width: 22px; }
QComboBox::down-arrow { image: url(:/icons/chevron-down-grey.svg); width: 10px; height: 10px; }
QComboBox QAbstractItemView { background: %card%; border: 1px solid %line%; outline: none; padding: 4px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { border: none; width: 18px; background: transparent; }
QAbstractSpinBox::up-arrow { image: url(:/icons/chevron-up-grey.svg); width: 8px; height: 8px; }
QAbstractSpinBox::down-arrow { image: url(:/icons/chevron-down-grey.svg); width: 8px; height: 8px; }

QCheckBox, QRadioButton { spacing: 8px; }
QCheckBox::indicator { width: 15px; height: 15px; border: 1px solid %faint%; border-radius: 4px; background: %card%; }
QCheckBox::indicator:checked { background: %accent%; border-color: %accent%; image: url(:/icons/check-%scheme%.svg); }
QCheckBox::indicator:focus { border-color: %accent%; }
QCheckBox::indicator:disabled { border-color: %line%; }
QRadioButton::indicator { width: 13px; height: 13px; border: 1px solid %faint%; border-radius: 7px; background: %card%; }
QRadioButton::indicator:checked { width: 7px; height: 7px; border: 4px solid %accent%; background: %onAccent%; }
QRadioButton::indicator:focus { border-color: %accent%; }
QRadioButton::indicator:disabled { border-color: %line%; }

QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: %line%; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: %accent%; }
QSlider::handle:horizontal { width: 12px; height: 12px; margin: -5px 0; border-radius: 7px; border: 1px solid %accent%; background: %card%; }
QSlider::handle:horizontal:hover, QSlider::handle:horizontal:focus { background: %accent%; }
QProgressBar { border: none; border-radius: 3px; background: %line%; max-height: 6px; text-align: center; }
QProgressBar::chunk { border-radius: 3px; background: %accent%; }

QTabWidget::pane { border: none; border-top: 1px solid %line%; }
QTabBar { background: transparent; }
QTabBar::tab { background: transparent; color: %dim%; padding: 8px 13px; border: none; border-bottom: 2px solid transparent; }
QTabBar::tab:hover { color: %text%; }
QTabBar::tab:selected { color: %text%; font-weight: 600; border-bottom: 2px solid %accent%; }
QTabBar::tab:focus { color: %accent%; }

QAbstractItemView { background: %card%; border: none; outline: none; selection-background-color: %selection%; selection-color: %text%;
  alternate-background-color: %panel%; }
QTableView, QTreeView { gridline-color: %line%; }
QTableView::item, QTreeView::item { padding: 4px 8px; }
QTableView::item:hover, QTreeView::item:hover { background: %hover%; }
QTableView::item:selected, QTreeView::item:selected { background: %selection%; color: %text%; }
QHeaderView { background: transparent; }
QHeaderView::section { background: transparent; color: %dim%; border: none; border-bottom: 1px solid %line%; padding: 6px 0px 6px 8px; font-weight: 600; }
QHeaderView::up-arrow { image: url(:/icons/chevron-up-grey.svg); }
QHeaderView::down-arrow { image: url(:/icons/chevron-down-grey.svg); }
QHeaderView::up-arrow, QHeaderView::down-arrow { width: 8px; height: 8px; subcontrol-origin: padding; subcontrol-position: top center; top: -2px; }
QTableCornerButton::section { background: transparent; border: none; }

QMenu { background: %card%; color: %text%; border: 1px solid %line%; padding: 5px; }
QMenu::item { padding: 6px 26px 6px 12px; border-radius: 6px; }
QMenu::item:selected { background: %selection%; }
QMenu::item:disabled { color: %faint%; }
QMenu::separator { height: 1px; background: %line%; margin: 5px 6px; }
QMenu::icon { padding-left: 8px; }

QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 2px; }
QScrollBar::handle { background: %line%; border-radius: 3px; }
QScrollBar::handle:hover { background: %faint%; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QScrollArea { background: transparent; border: none; }
QScrollArea > QWidget > QWidget { background: transparent; }

QToolBar { background: %panel%; border: none; border-bottom: 1px solid %line%; padding: 6px 8px; spacing: 4px; }
QToolBar::separator { background: %line%; width: 1px; margin: 6px 6px; }
QStatusBar { background: %panel%; border-top: 1px solid %line%; }
QStatusBar::item { border: none; }
QDockWidget { titlebar-close-icon: none; titlebar-normal-icon: none; }
QSplitter::handle { background: transparent; }
)";

} // namespace

QString styleSheet(const Tokens& t, int)
{
    QString sheet = QString::fromLatin1(kSheet);
    const QColor accentHover = t.scheme == Scheme::Dark ? t.accent.lighter(110) : t.accent.darker(108);
    const std::pair<const char*, QColor> colours[] = {{"%window%", t.window},
                                                      {"%panel%", t.panel},
                                                      {"%card%", t.card},
                                                      {"%line%", t.line},
                                                      {"%text%", t.text},
                                                      {"%dim%", t.dim},
                                                      {"%faint%", t.faint},
                                                      {"%accent%", t.accent},
                                                      {"%softAccent%", t.softAccent},
                                                      {"%onAccent%", t.onAccent},
                                                      {"%hover%", t.hover},
                                                      {"%selection%", t.selection},
                                                      {"%failure%", t.failure},
                                                      {"%accentHover%", accentHover}};
    for (const auto& [name, colour] : colours)
        sheet.replace(QLatin1String(name), colour.name());
    sheet.replace(QLatin1String("%scheme%"), t.scheme == Scheme::Dark ? QStringLiteral("dark") : QStringLiteral("light"));
    return sheet;
}

} // namespace espalier::widgets
