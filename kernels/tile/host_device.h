// MM1_HOST_DEVICE: for pure functions of layouts and orders, which kernels run on the device and plans and tests on the host.
// MM1_DEVICE_MEMBER: for member functions of what lives in a kernel's registers; always inlined, so that arrays stay registers.
#ifndef MM1_TILE_HOST_DEVICE_H
#define MM1_TILE_HOST_DEVICE_H

#if defined(__CUDACC__) || defined(__CUDA__)
#define MM1_HOST_DEVICE __attribute__((host)) __attribute__((device))
#define MM1_DEVICE_MEMBER inline __attribute__((always_inline)) __attribute__((device))
#else
#define MM1_HOST_DEVICE
#define MM1_DEVICE_MEMBER inline __attribute__((always_inline))
#endif

#endif  // MM1_TILE_HOST_DEVICE_H
