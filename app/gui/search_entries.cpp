// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/search_entries.h"

#include "app/gui/run_page.h"
#include "app/gui/tool_bar.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "widgets/configuration_form.h"
#include "widgets/configuration_page.h"
#include "widgets/library_model.h"
#include "widgets/state_look.h"

#include <QAction>

namespace espalier::gui {

using widgets::CommandPalette;
using widgets::qstr;

std::vector<CommandPalette::Entry> actionEntries(const ToolBar& tools, const std::function<void(runs::Action)>& act)
{
    std::vector<CommandPalette::Entry> entries;
    for (const auto action : {runs::Action::Start, runs::Action::Pause, runs::Action::Stop, runs::Action::Checkpoint, runs::Action::Sample,
                              runs::Action::Evaluate}) {
        auto* made = tools.action(action);
        entries.push_back({made->text(), QStringLiteral("Action"), made->shortcut().toString(QKeySequence::NativeText),
                           [act, action] { act(action); }, made->isEnabled()});
    }
    for (auto* made : tools.startActions())
        entries.push_back({made->text(), QStringLiteral("Action"), {}, [made] { made->trigger(); }, made->isEnabled()});
    return entries;
}

std::vector<CommandPalette::Entry> newRunEntries(const std::function<void(const QString&)>& make)
{
    std::vector<CommandPalette::Entry> entries;
    for (const auto& preset : config::presets())
        entries.push_back(
            {QStringLiteral("New run: ") + qstr(preset.title), QStringLiteral("Action"), {}, [make, id = qstr(preset.id)] { make(id); }});
    return entries;
}

std::vector<CommandPalette::Entry> pageEntries(RunPage* page)
{
    std::vector<CommandPalette::Entry> entries;
    for (int i = 0; i < RunPage::kPages; ++i) {
        const auto each = static_cast<RunPage::Page>(i);
        entries.push_back({RunPage::pageTitle(each), QStringLiteral("Page"), QString::number(i + 1), [page, each] { page->showPage(each); },
                           !page->editing()});
    }
    return entries;
}

std::vector<CommandPalette::Entry> runEntries(const widgets::LibraryModel& library,
                                              const std::function<void(const std::filesystem::path&)>& open)
{
    std::vector<CommandPalette::Entry> entries;
    for (const auto& run : library.runs())
        entries.push_back({qstr(run.name), QStringLiteral("Run"), widgets::stateWords(run.state).toLower(),
                           [open, folder = run.folder] { open(folder); }});
    return entries;
}

std::vector<CommandPalette::Entry> settingEntries(RunPage* page)
{
    std::vector<CommandPalette::Entry> entries;
    for (const auto& field : config::fields())
        entries.push_back(
            {qstr(field.path) + QStringLiteral(" – ") + qstr(field.help), QStringLiteral("Setting"), {}, [page, path = field.path] {
                 page->showPage(RunPage::Configuration);
                 page->configuration()->form()->reveal(path);
             }});
    return entries;
}

} // namespace espalier::gui
