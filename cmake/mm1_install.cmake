# cmake --install: headers, libraries, find_package(mm1_kernels) with targets mm1::kernels and mm1::kernels_emulated, and pkg-config.
include(CMakePackageConfigHelpers)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/kernels/include/mm1 DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# One pkg-config file for each library. Paths are relative to the file, so that an installed tree can be moved.
function(mm1_install_library target export_name description)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${export_name})
  install(TARGETS ${target} EXPORT mm1_kernels_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  set(MM1_PC_NAME ${target})
  set(MM1_PC_DESCRIPTION ${description})
  file(RELATIVE_PATH MM1_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix/)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/mm1_kernels.pc.in ${PROJECT_BINARY_DIR}/${target}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${target}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

mm1_install_library(mm1_kernels_emulated kernels_emulated "MM1.Native kernels on the CPU emulator")
if(TARGET mm1_kernels)
  mm1_install_library(mm1_kernels kernels "MM1.Native kernels for NVIDIA GPUs")
endif()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/mm1_kernels)
install(EXPORT mm1_kernels_targets NAMESPACE mm1:: DESTINATION ${package_folder})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/mm1_kernels-config.cmake.in ${PROJECT_BINARY_DIR}/mm1_kernels-config.cmake
  INSTALL_DESTINATION ${package_folder})
# Before 1.0 a minor version may change anything.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mm1_kernels-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mm1_kernels-config.cmake ${PROJECT_BINARY_DIR}/mm1_kernels-config-version.cmake DESTINATION ${package_folder})
