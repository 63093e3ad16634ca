// SPDX-License-Identifier: Apache-2.0
#include "core/machine/identity.h"

#include <unistd.h>

#include <cctype>

namespace espalier::machine {

std::string hostName()
{
    char name[256] = {};
    if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0')
        return "localhost";
    return name;
}

std::string bootId(const SystemFiles& files)
{
    auto text = readSystemFile(files.proc / "sys" / "kernel" / "random" / "boot_id").value_or("");
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
        text.pop_back();
    return text.size() <= 64 ? text : std::string();
}

} // namespace espalier::machine
