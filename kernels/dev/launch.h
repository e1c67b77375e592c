// dev::launch(cfg, kernel, args...) under nvcc (cudaLaunchKernel: no <<<>>>), and under g++/clang++ on the host.
#pragma once
#include "device.cuh"
namespace dev {
#if DEV_EMULATED
using Stream = void*;
struct LaunchConfig { emulator::Dim3 grid, block; size_t shared_bytes = 0; Stream stream = nullptr; emulator::Options options = emulator::default_options(); };
template <class... P, class... A> inline void launch(const LaunchConfig& c, void (*k)(P...), A&&... a) {
    auto body = [&] { k(static_cast<P>(a)...); };
    using B = decltype(body);
    emulator::run(c.grid, c.block, c.shared_bytes, [](void* p) { (*(B*)p)(); }, &body, c.options);
}
#elif defined(DEV_HAVE_TOOLKIT) || !defined(__clang__)
using Stream = cudaStream_t;
struct LaunchConfig { dim3 grid, block; size_t shared_bytes = 0; Stream stream = nullptr; };
template <class... P, class... A> inline cudaError_t launch(const LaunchConfig& c, void (*k)(P...), A&&... a) {
    return [&](P... p) {                                   // converts to the kernel's own parameter types
        void* ptr[] = {(void*)&p...};
        if (c.shared_bytes > 48 << 10) if (auto e = cudaFuncSetAttribute((const void*)k, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)c.shared_bytes)) return e;
        return cudaLaunchKernel((const void*)k, c.grid, c.block, ptr, c.shared_bytes, c.stream);
    }(static_cast<P>(a)...);
}
#endif
}  // namespace dev
