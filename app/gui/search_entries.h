// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/run_state.h"
#include "widgets/command_palette.h"

#include <filesystem>
#include <functional>
#include <vector>

namespace espalier::widgets {
class LibraryModel;
}

namespace espalier::gui {

class RunPage;
class ToolBar;

// What Ctrl+K finds. The tool bar and the page outlive the palette.

std::vector<widgets::CommandPalette::Entry> actionEntries(const ToolBar& tools, const std::function<void(runs::Action)>& act);
std::vector<widgets::CommandPalette::Entry> newRunEntries(const std::function<void(const QString& presetId)>& make);
std::vector<widgets::CommandPalette::Entry> pageEntries(RunPage* page);
std::vector<widgets::CommandPalette::Entry> runEntries(const widgets::LibraryModel& library,
                                                       const std::function<void(const std::filesystem::path&)>& open);
std::vector<widgets::CommandPalette::Entry> settingEntries(RunPage* page);

} // namespace espalier::gui
