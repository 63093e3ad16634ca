# SPDX-License-Identifier: Apache-2.0
# LibTorch from the pinned wheels as one imported target, espalier::libtorch. CPU and CUDA libraries are both linked:
# they start on machines without a driver, so one worker serves both.
include_guard(GLOBAL)

# Named by -DESPALIER_LIBTORCH, else by the environment, else where ./dev puts the pinned set.
if(NOT ESPALIER_LIBTORCH)
    set(ESPALIER_LIBTORCH $ENV{ESPALIER_LIBTORCH})
endif()
if(NOT ESPALIER_LIBTORCH)
    set(_cache $ENV{XDG_CACHE_HOME})
    if(NOT _cache)
        set(_cache $ENV{HOME}/.cache)
    endif()
    file(SHA256 ${PROJECT_SOURCE_DIR}/packaging/libtorch-pins.txt _pins)
    string(SUBSTRING ${_pins} 0 12 _pins)
    set(ESPALIER_LIBTORCH ${_cache}/espalier/libtorch-${_pins})
endif()
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
    INTERFACE_INCLUDE_DIRECTORIES "${_torch}/include;${_torch}/include/torch/csrc/api/include;${ESPALIER_LIBTORCH}/nvidia/nccl/include;${ESPALIER_LIBTORCH}/nvidia/cu13/include;${PROJECT_SOURCE_DIR}/packaging/gloo-stubs"
    INTERFACE_COMPILE_DEFINITIONS "USE_DISTRIBUTED;USE_C10D_GLOO;USE_CUDA;USE_C10D_NCCL"
    # Nothing names a symbol of libtorch_cuda; without this the linker drops it and CUDA is never found.
    INTERFACE_LINK_LIBRARIES "espalier_torch_cpu;espalier_c10;-Wl,--no-as-needed;espalier_torch_cuda;espalier_c10_cuda;-Wl,--as-needed;espalier_cudart")
set(CMAKE_BUILD_RPATH ${_torch}/lib)

file(WRITE ${PROJECT_BINARY_DIR}/pch/pch_torch.cpp "// Carries the precompiled header of the folders with LibTorch.\n")
add_library(espalier_pch_torch OBJECT ${PROJECT_BINARY_DIR}/pch/pch_torch.cpp)
target_link_libraries(espalier_pch_torch PRIVATE espalier_options espalier_warnings nlohmann_json::nlohmann_json fmt::fmt-header-only
    espalier::libtorch)
target_precompile_headers(espalier_pch_torch PRIVATE <torch/torch.h> <nlohmann/json.hpp> <filesystem> <span>)

# espalier_cuda_objects(core_tensors normal.cu …): compiles .cu files with the wheel's own nvcc for sm_80, sm_90a and, as PTX, for
# what comes later, and adds them to the target, which then sees ESPALIER_HAS_CUDA_KERNELS. Where nvcc does not work this says so,
# leaves the target as it is, and LibTorch's kernels do the work. The .cu files see plain C++17 headers only, never LibTorch.
function(espalier_cuda_objects target)
    espalier_find_nvcc()
    if(NOT ESPALIER_NVCC_WORKS)
        return()
    endif()
    foreach(source IN LISTS ARGN)
        set(input ${CMAKE_CURRENT_SOURCE_DIR}/${source})
        set(object ${CMAKE_CURRENT_BINARY_DIR}/${source}.o)
        add_custom_command(OUTPUT ${object}
            COMMAND ${_espalier_nvcc} -c ${input} -o ${object} -MD -MF ${object}.d
                -std=c++17 -O3 -fmad=false -Xcompiler=-fPIC,-ffp-contract=off -I${PROJECT_SOURCE_DIR}
                -gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90a,code=sm_90a -gencode=arch=compute_90,code=compute_90
            DEPENDS ${input} DEPFILE ${object}.d COMMENT "Building CUDA object ${source}.o" VERBATIM)
        target_sources(${target} PRIVATE ${object})
        set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    endforeach()
    target_compile_definitions(${target} PRIVATE ESPALIER_HAS_CUDA_KERNELS=1)
    target_link_libraries(${target} PRIVATE espalier_cudart)
endfunction()

# Tries the compiler once per build folder.
function(espalier_find_nvcc)
    set(_espalier_nvcc ${ESPALIER_LIBTORCH}/nvidia/cu13/bin/nvcc -ccbin ${CMAKE_CXX_COMPILER} PARENT_SCOPE)
    if(DEFINED CACHE{ESPALIER_NVCC_WORKS} AND ESPALIER_NVCC_TRIED STREQUAL "${ESPALIER_LIBTORCH} ${ESPALIER_CUDA_KERNELS}")
        return()
    endif()
    set(works OFF)
    set(reason "ESPALIER_CUDA_KERNELS is off")
    if(ESPALIER_CUDA_KERNELS)
        file(WRITE ${PROJECT_BINARY_DIR}/nvcc/try.cu "__global__ void one(float* x) { x[threadIdx.x] = 1.0f; }\n")
        execute_process(COMMAND ${ESPALIER_LIBTORCH}/nvidia/cu13/bin/nvcc -ccbin ${CMAKE_CXX_COMPILER} -std=c++17
                -gencode=arch=compute_90a,code=sm_90a -c ${PROJECT_BINARY_DIR}/nvcc/try.cu -o ${PROJECT_BINARY_DIR}/nvcc/try.o
            RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
        if(result EQUAL 0)
            set(works ON)
        else()
            string(STRIP "${result} ${output}" output)
            string(REGEX MATCH "^[^\n]*" reason "${output}")
        endif()
    endif()
    set(ESPALIER_NVCC_WORKS ${works} CACHE INTERNAL "")
    set(ESPALIER_NVCC_TRIED "${ESPALIER_LIBTORCH} ${ESPALIER_CUDA_KERNELS}" CACHE INTERNAL "")
    if(works)
        message(STATUS "Espalier: CUDA kernels are built with the nvcc of the wheels")
    else()
        message(STATUS "Espalier: no CUDA kernels of our own (${reason}); LibTorch's do the work")
    endif()
endfunction()
