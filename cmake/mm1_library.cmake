# How the libraries are compiled and linked: flags, exported symbols, the two emulated variants.

# Exported symbols are the C functions of include/mm1 and nothing else. -Bsymbolic: libmm1_kernels and libmm1_kernels_emulated have
# functions of the same names and live in one process, so each must bind its own.
function(mm1_shared_library target)
  set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/kernels/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  if(UNIX AND NOT APPLE)
    set(map ${PROJECT_SOURCE_DIR}/cmake/mm1_kernels.map)
    target_link_options(${target} PRIVATE -Wl,--version-script=${map} -Wl,-Bsymbolic -Wl,--no-undefined)
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${map})
  endif()
endfunction()

# Flags of every host-compiled source. GNU_UNIQUE statics would merge between two loaded libraries.
function(mm1_compile_flags target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/kernels ${PROJECT_SOURCE_DIR}/kernels/include)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>)
  target_compile_definitions(${target} PRIVATE MM1_BUILDING_LIBRARY)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique;-Wno-psabi>")
  endif()
endfunction()

# Kernel sources (.cu) as plain C++. Products and sums are not contracted, so that the bits do not depend on the compiler.
function(mm1_kernels_as_cxx)
  set(options -x c++ -ffp-contract=off -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    list(APPEND options -Wno-psabi)    # its note about 64-byte aligned parameters (tensor maps)
  endif()
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${options}")
endfunction()

# What g++ and clang++ call the hooks of every memory access (__tsan_read4 and so on). The emulator defines them; the sanitizer's own
# library is not linked. Kernel sources only: the emulator itself and the host code are not instrumented.
set(MM1_SHADOW_KERNEL_FLAGS -fsanitize=thread -O1 -g1)

# What both variants of the emulated library share: host code that knows nothing of shadow memory.
function(mm1_emulated_host)
  add_library(mm1_kernels_emulated_host OBJECT ${MM1_HOST_SOURCES} ${MM1_EMULATED_HOST_SOURCES} ${MM1_VERB_SOURCES})
  mm1_compile_flags(mm1_kernels_emulated_host)
endfunction()

# One variant of the emulated library: objects, a static archive for the tests (which reach inside), and the shared library.
function(mm1_emulated_library target shadow)
  mm1_kernels_as_cxx(${MM1_KERNEL_SOURCES})
  add_library(${target}_emulator OBJECT ${MM1_EMULATOR_SOURCES})
  add_library(${target}_device OBJECT ${MM1_KERNEL_SOURCES})
  mm1_compile_flags(${target}_emulator)
  mm1_compile_flags(${target}_device)
  if(shadow)
    target_compile_definitions(${target}_emulator PRIVATE MM1_SHADOW)
    target_compile_definitions(${target}_device PRIVATE MM1_SHADOW)
    target_compile_options(${target}_device PRIVATE ${MM1_SHADOW_KERNEL_FLAGS})
  endif()
  set(objects $<TARGET_OBJECTS:mm1_kernels_emulated_host> $<TARGET_OBJECTS:${target}_emulator> $<TARGET_OBJECTS:${target}_device>)

  add_library(${target} SHARED ${objects})
  mm1_shared_library(${target})
  target_link_libraries(${target} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})

  add_library(${target}_static STATIC EXCLUDE_FROM_ALL ${objects})
  target_include_directories(${target}_static PUBLIC ${PROJECT_SOURCE_DIR}/kernels ${PROJECT_SOURCE_DIR}/kernels/include)
  target_compile_definitions(${target}_static INTERFACE MM1_STATIC_LIBRARY $<$<BOOL:${shadow}>:MM1_SHADOW>)
  target_link_libraries(${target}_static PUBLIC Threads::Threads ${CMAKE_DL_LIBS})
endfunction()
