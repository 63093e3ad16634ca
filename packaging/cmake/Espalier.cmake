# SPDX-License-Identifier: Apache-2.0
# How a folder becomes a target: espalier_library, espalier_program, espalier_test.
include_guard(GLOBAL)

# ccache, when there is one. Precompiled headers are cached only with this sloppiness; without a base folder a second clone
# would find nothing.
find_program(ESPALIER_CCACHE ccache)
if(ESPALIER_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
        CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${ESPALIER_CCACHE})
endif()

find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(fmt REQUIRED)

add_library(espalier_options INTERFACE)
target_include_directories(espalier_options INTERFACE ${PROJECT_SOURCE_DIR})
# The same bits from every compiler: no fused multiply-add that the source does not ask for.
target_compile_options(espalier_options INTERFACE -ffp-contract=off -fPIC)
add_library(espalier_warnings INTERFACE)
target_compile_options(espalier_warnings INTERFACE -Wall -Wextra -Wno-missing-field-initializers)
if(ESPALIER_WERROR)
    target_compile_options(espalier_warnings INTERFACE -Werror)
endif()
if(ESPALIER_SANITIZE)
    target_compile_options(espalier_options INTERFACE -fsanitize=${ESPALIER_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(espalier_options INTERFACE -fsanitize=${ESPALIER_SANITIZE})
endif()
find_program(ESPALIER_MOLD mold)
if(ESPALIER_MOLD)
    target_link_options(espalier_options INTERFACE -fuse-ld=mold)
endif()

# One precompiled header for all folders without LibTorch; LibTorch.cmake makes the other one.
file(WRITE ${PROJECT_BINARY_DIR}/pch/pch_core.cpp "// Carries the precompiled header of the folders without LibTorch.\n")
add_library(espalier_pch_core OBJECT ${PROJECT_BINARY_DIR}/pch/pch_core.cpp)
target_link_libraries(espalier_pch_core PRIVATE espalier_options espalier_warnings nlohmann_json::nlohmann_json fmt::fmt-header-only)
target_precompile_headers(espalier_pch_core PRIVATE <algorithm> <array> <chrono> <cstdint> <filesystem> <functional> <map> <memory>
    <optional> <span> <string> <string_view> <variant> <vector> <nlohmann/json.hpp>)

# And one for the window: it halves the time of each of its units. Found here, so that all folders see Qt's targets.
if(ESPALIER_WINDOW)
    find_package(Qt6 6.4 REQUIRED COMPONENTS Widgets Svg PrintSupport DBus)
    find_package(QCustomPlotQt6 REQUIRED)
    file(WRITE ${PROJECT_BINARY_DIR}/pch/pch_qt.cpp "// Carries the precompiled header of the window.\n")
    add_library(espalier_pch_qt OBJECT ${PROJECT_BINARY_DIR}/pch/pch_qt.cpp)
    target_compile_definitions(espalier_pch_qt PRIVATE QT_NO_KEYWORDS)
    target_link_libraries(espalier_pch_qt PRIVATE espalier_options espalier_warnings nlohmann_json::nlohmann_json fmt::fmt-header-only
        Qt6::Widgets Qt6::PrintSupport)
    target_precompile_headers(espalier_pch_qt PRIVATE <algorithm> <chrono> <filesystem> <functional> <map> <memory> <optional> <string>
        <variant> <vector> <nlohmann/json.hpp> <QtWidgets>)
endif()

# espalier_library(core_runs [TORCH] SOURCES … HEADERS … [PUBLIC …] [PRIVATE …])
function(espalier_library name)
    cmake_parse_arguments(A "TORCH;QT" "" "SOURCES;HEADERS;PUBLIC;PRIVATE" ${ARGN})
    add_library(${name} STATIC ${A_SOURCES})
    add_library(espalier::${name} ALIAS ${name})
    if(A_HEADERS)
        target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${A_HEADERS})
    endif()
    target_link_libraries(${name} PUBLIC espalier_options nlohmann_json::nlohmann_json ${A_PUBLIC}
        PRIVATE espalier_warnings fmt::fmt-header-only ${A_PRIVATE})
    espalier_pch(${name} "${A_TORCH}" "${A_QT}")
endfunction()

# espalier_program(espalier-cli [TORCH] SOURCES … LIBS …)
function(espalier_program name)
    cmake_parse_arguments(A "TORCH;QT" "" "SOURCES;LIBS" ${ARGN})
    add_executable(${name} ${A_SOURCES})
    target_link_libraries(${name} PRIVATE espalier_options espalier_warnings fmt::fmt-header-only nlohmann_json::nlohmann_json ${A_LIBS})
    espalier_pch(${name} "${A_TORCH}" "${A_QT}")
endfunction()

function(espalier_pch name torch qt)
    if(torch)
        target_link_libraries(${name} PRIVATE espalier::libtorch)
        target_precompile_headers(${name} REUSE_FROM espalier_pch_torch)
    elseif(qt)
        target_compile_definitions(${name} PRIVATE QT_NO_KEYWORDS)
        target_link_libraries(${name} PRIVATE Qt6::Widgets Qt6::PrintSupport) # the same definitions as the header's
        target_precompile_headers(${name} REUSE_FROM espalier_pch_qt)
    else()
        target_precompile_headers(${name} REUSE_FROM espalier_pch_core)
    endif()
endfunction()

# espalier_test(formats [TORCH] SOURCES … LIBS … [LABELS …] [TIMEOUT seconds] [RUN_SERIAL])
# makes test_<name> and one ctest entry per GoogleTest suite found in the sources, named <name>.<Suite>.
function(espalier_test name)
    cmake_parse_arguments(A "TORCH;RUN_SERIAL" "TIMEOUT" "SOURCES;LIBS;LABELS;ENVIRONMENT" ${ARGN})
    set(target test_${name})
    set(torch)
    if(A_TORCH)
        set(torch TORCH)
    endif()
    espalier_program(${target} ${torch} SOURCES ${A_SOURCES} LIBS espalier::tests_support ${A_LIBS})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    if(NOT A_LABELS)
        set(A_LABELS unit)
    endif()
    if(NOT A_TIMEOUT)
        set(A_TIMEOUT 300)
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${A_SOURCES})
    set(suites)
    foreach(source IN LISTS A_SOURCES)
        file(STRINGS ${source} lines REGEX "^TEST(_F|_P)?\\(")
        foreach(line IN LISTS lines)
            string(REGEX REPLACE "^TEST(_F|_P)?\\( *([A-Za-z0-9_]+).*" "\\2" suite "${line}")
            list(APPEND suites ${suite})
        endforeach()
    endforeach()
    list(REMOVE_DUPLICATES suites)
    foreach(suite IN LISTS suites)
        add_test(NAME ${name}.${suite} COMMAND ${target} --gtest_filter=${suite}.*:*/${suite}.*)
        set_tests_properties(${name}.${suite} PROPERTIES LABELS "${A_LABELS}" TIMEOUT ${A_TIMEOUT} SKIP_RETURN_CODE 77
            RUN_SERIAL "${A_RUN_SERIAL}" ENVIRONMENT "${A_ENVIRONMENT}")
    endforeach()
endfunction()

# espalier_qt_test(tst_library [SOURCES …] LIBS … [LABELS …] [TIMEOUT seconds]) makes one Qt Test program from <name>.cpp and one ctest
# entry, widgets.<name>, which runs offscreen with settings of its own.
function(espalier_qt_test name)
    cmake_parse_arguments(A "RUN_SERIAL" "TIMEOUT" "SOURCES;LIBS;LABELS;ENVIRONMENT" ${ARGN})
    find_package(Qt6 6.4 REQUIRED COMPONENTS Test)
    espalier_program(${name} QT SOURCES ${name}.cpp ${A_SOURCES} LIBS Qt6::Test ${A_LIBS})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests AUTOMOC ON)
    target_compile_definitions(${name} PRIVATE QT_NO_KEYWORDS)
    if(NOT A_LABELS)
        set(A_LABELS unit)
    endif()
    if(NOT A_TIMEOUT)
        set(A_TIMEOUT 120)
    endif()
    add_test(NAME widgets.${name} COMMAND ${name})
    set_tests_properties(widgets.${name} PROPERTIES LABELS "${A_LABELS}" TIMEOUT ${A_TIMEOUT} RUN_SERIAL "${A_RUN_SERIAL}"
        ENVIRONMENT "QT_QPA_PLATFORM=offscreen;XDG_CONFIG_HOME=${PROJECT_BINARY_DIR}/tests/settings-${name};${A_ENVIRONMENT}")
endfunction()
