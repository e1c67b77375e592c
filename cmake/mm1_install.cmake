# cmake --install: headers, libraries, find_package(mm1_kernels) and pkg-config.
