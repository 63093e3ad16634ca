# SPDX-License-Identifier: Apache-2.0
# LibTorch from the pinned wheels as one imported target, espalier::libtorch. CPU and CUDA libraries are both linked:
# they start on machines without a driver, so one worker serves both.
include_guard(GLOBAL)

if(NOT EXISTS ${ESPALIER_LIBTORCH}/torch/lib/libtorch_cpu.so)
    message(FATAL_ERROR "ESPALIER_LIBTORCH (\"${ESPALIER_LIBTORCH}\") holds no torch/lib/libtorch_cpu.so. Run ./dev build, which fetches the "
        "pinned wheels and sets it, or give the folder that holds torch/ and nvidia/.")
endif()
set(_torch ${ESPALIER_LIBTORCH}/torch)
foreach(part c10 torch_cpu c10_cuda torch_cuda)
    add_library(espalier_${part} SHARED IMPORTED)
    set_target_properties(espalier_${part} PROPERTIES IMPORTED_LOCATION ${_torch}/lib/lib${part}.so)
endforeach()
add_library(espalier_cudart SHARED IMPORTED)
set_target_properties(espalier_cudart PROPERTIES IMPORTED_LOCATION ${ESPALIER_LIBTORCH}/nvidia/cu13/lib/libcudart.so.13)

add_library(espalier::libtorch INTERFACE IMPORTED GLOBAL)
set_target_properties(espalier::libtorch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_torch}/include;${_torch}/include/torch/csrc/api/include;${ESPALIER_LIBTORCH}/nvidia/nccl/include;${ESPALIER_LIBTORCH}/nvidia/cu13/include"
    INTERFACE_COMPILE_DEFINITIONS "USE_DISTRIBUTED;USE_C10D_GLOO;USE_CUDA;USE_C10D_NCCL"
    # Nothing names a symbol of libtorch_cuda; without this the linker drops it and CUDA is never found.
    INTERFACE_LINK_LIBRARIES "espalier_torch_cpu;espalier_c10;-Wl,--no-as-needed;espalier_torch_cuda;espalier_c10_cuda;-Wl,--as-needed;espalier_cudart")
set(CMAKE_BUILD_RPATH ${_torch}/lib)

file(WRITE ${PROJECT_BINARY_DIR}/pch/pch_torch.cpp "// Carries the precompiled header of the folders with LibTorch.\n")
add_library(espalier_pch_torch OBJECT ${PROJECT_BINARY_DIR}/pch/pch_torch.cpp)
target_link_libraries(espalier_pch_torch PRIVATE espalier_options espalier_warnings nlohmann_json::nlohmann_json fmt::fmt-header-only
    espalier::libtorch)
target_precompile_headers(espalier_pch_torch PRIVATE <torch/torch.h> <nlohmann/json.hpp> <filesystem> <span>)
