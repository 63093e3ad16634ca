# SPDX-License-Identifier: Apache-2.0
# cmake -DOUT=x.cpp -DHEADER=core/… -DNAMESPACE=… -DFUNCTION=… -DFILES=a.json|b.json -P EmbedTexts.cmake
# writes a function that returns (file name without extension, text) of each file, in the order given.
string(REPLACE "|" ";" files "${FILES}")
set(body "")
foreach(file IN LISTS files)
    file(READ "${file}" text)
    cmake_path(GET file STEM id)
    string(APPEND body "    texts.push_back({\"${id}\", R\"espalier(${text})espalier\"});\n")
endforeach()
file(WRITE "${OUT}" "// Generated from the files it holds; do not edit.
#include \"${HEADER}\"

namespace ${NAMESPACE} {

std::vector<EmbeddedText> ${FUNCTION}()
{
    std::vector<EmbeddedText> texts;
${body}    return texts;
}

} // namespace ${NAMESPACE}
")
