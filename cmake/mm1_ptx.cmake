# Target `ptx`: every kernel source to PTX with clang++-19 alone, for sm_80 and sm_90a. It proves that the device code compiles for both
# architectures and lets a test count the instructions a kernel is meant to use. It does not assemble: only ptxas checks operands.
# Files: <build>/ptx/<architecture>/<folder>_<name>.ptx

find_program(MM1_CLANG_CUDA NAMES clang++-19 DOC "clang++ 19 or later, for the ptx target")

# clang 19 takes PTX 8.0 features (wgmma, TMA) only when told so, and needs no CUDA toolkit for device code that includes none of it.
set(MM1_PTX_FLAGS -std=c++17 -O3 -x cuda --cuda-device-only -nocudainc -nocudalib --cuda-feature=+ptx80 -Wall -Wextra -Werror -S
  -I${PROJECT_SOURCE_DIR}/kernels -I${PROJECT_SOURCE_DIR}/kernels/include)

function(mm1_add_ptx)
  if(NOT MM1_CLANG_CUDA)
    add_custom_target(ptx COMMAND ${CMAKE_COMMAND} -E echo "ptx: clang++-19 was not found when CMake ran; install clang-19 and run cmake again"
      COMMAND ${CMAKE_COMMAND} -E false VERBATIM)
    return()
  endif()
  set(outputs)
  foreach(architecture sm_80 sm_90a)
    foreach(source ${ARGN})
      file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR}/kernels ${source})
      string(REGEX REPLACE "\\.cu$" "" name ${name})
      string(REPLACE "/" "_" name ${name})
      set(output ${PROJECT_BINARY_DIR}/ptx/${architecture}/${name}.ptx)
      file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/ptx/${architecture})
      add_custom_command(OUTPUT ${output}
        COMMAND ${MM1_CLANG_CUDA} ${MM1_PTX_FLAGS} --cuda-gpu-arch=${architecture} -MD -MF ${output}.d -MT ${output} -o ${output} ${source}
        DEPENDS ${source} DEPFILE ${output}.d COMMENT "PTX ${architecture} ${name}" VERBATIM)
      list(APPEND outputs ${output})
    endforeach()
  endforeach()
  add_custom_target(ptx DEPENDS ${outputs})
endfunction()
