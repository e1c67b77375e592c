// MM1_HOST_DEVICE: for pure functions of layouts and orders, which kernels run on the device and plans and tests on the host.
#ifndef MM1_TILE_HOST_DEVICE_H
#define MM1_TILE_HOST_DEVICE_H

#if defined(__CUDACC__) || defined(__CUDA__)
#define MM1_HOST_DEVICE __attribute__((host)) __attribute__((device))
#else
#define MM1_HOST_DEVICE
#endif

#endif  // MM1_TILE_HOST_DEVICE_H
